# Defines the target `libzip::zip`. Debian's own CMake package of libzip names the command-line tools
# too, and fails where only the library is installed.
find_path(ZIP_INCLUDE_DIR zip.h REQUIRED)
find_library(ZIP_LIBRARY zip REQUIRED)
add_library(libzip::zip UNKNOWN IMPORTED)
set_target_properties(libzip::zip PROPERTIES
                      IMPORTED_LOCATION ${ZIP_LIBRARY}
                      INTERFACE_INCLUDE_DIRECTORIES ${ZIP_INCLUDE_DIR})

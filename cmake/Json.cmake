# The target nlohmann_json::nlohmann_json: from its CMake package, or from PyPI's package nlohmann-json, which
# holds its headers alone, in a folder of CMAKE_PREFIX_PATH.
find_package(nlohmann_json QUIET)
if(NOT nlohmann_json_FOUND)
  list(TRANSFORM CMAKE_PREFIX_PATH APPEND /nlohmann_json/include OUTPUT_VARIABLE json_folders)
  find_path(NLOHMANN_JSON_INCLUDE_DIR nlohmann/json.hpp HINTS ${json_folders} REQUIRED)
  add_library(nlohmann_json::nlohmann_json INTERFACE IMPORTED)
  target_include_directories(nlohmann_json::nlohmann_json INTERFACE ${NLOHMANN_JSON_INCLUDE_DIR})
endif()

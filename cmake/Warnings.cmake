# `lorentznet_options` carries the warnings and sanitizers that every target of this project uses.
add_library(lorentznet_options INTERFACE)
target_compile_options(lorentznet_options INTERFACE -Wall -Wextra -Wpedantic -Wshadow)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # GCC bug 105651: a false alarm in std::string's operator+.
  target_compile_options(lorentznet_options INTERFACE -Wno-restrict)
endif()
if(LORENTZNET_WERROR)
  target_compile_options(lorentznet_options INTERFACE -Werror)
endif()
if(LORENTZNET_SANITIZE)
  set(sanitizers -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
  # With sanitizers GCC sees uninitialised values in the standard library that are not there.
  target_compile_options(lorentznet_options INTERFACE ${sanitizers} -Wno-maybe-uninitialized)
  target_link_options(lorentznet_options INTERFACE ${sanitizers})
endif()
if(LORENTZNET_FUZZ)
  # fuzzer-no-link: libFuzzer sees what an input reaches; its main() comes with a target's own link options.
  set(fuzzing -fsanitize=fuzzer-no-link,float-cast-overflow -fno-sanitize-recover=all
              -fsanitize-coverage-ignorelist=${PROJECT_SOURCE_DIR}/tests/fuzz/uncounted.txt
              -Wno-unknown-warning-option)  # GCC's
  target_compile_options(lorentznet_options INTERFACE ${fuzzing})
endif()

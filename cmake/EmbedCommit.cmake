# embed_commit(TARGET SYMBOL): adds a C++ file that defines `const char* const SYMBOL`, the git commit
# of the sources, with "+" if tracked files differ from it; "" outside of a git checkout. Every build
# asks git, and compiles the file again only if the answer has changed.
function(embed_commit target symbol)
  set(output ${CMAKE_CURRENT_BINARY_DIR}/${symbol}.cpp)
  set(ask ${CMAKE_COMMAND} -D SYMBOL=${symbol} -D OUTPUT=${output} -D SOURCES=${PROJECT_SOURCE_DIR}
          -P ${CMAKE_CURRENT_FUNCTION_LIST_FILE})
  execute_process(COMMAND ${ask} COMMAND_ERROR_IS_FATAL ANY)  # for tools that read the sources without a build
  add_custom_target(${symbol} BYPRODUCTS ${output} COMMENT "Asking git for the commit" COMMAND ${ask})
  target_sources(${target} PRIVATE ${output})
  set_source_files_properties(${output} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
  add_dependencies(${target} ${symbol})
endfunction()

if(NOT CMAKE_SCRIPT_MODE_FILE)
  return()
endif()

# git_answer(VARIABLE ARGUMENT...): what git prints; "" if it fails or is not there
function(git_answer variable)
  set(answer "")
  find_program(GIT git)
  if(GIT)
    execute_process(COMMAND ${GIT} -C ${SOURCES} ${ARGN} OUTPUT_VARIABLE answer ERROR_QUIET
                    OUTPUT_STRIP_TRAILING_WHITESPACE)
  endif()
  set(${variable} "${answer}" PARENT_SCOPE)
endfunction()

set(commit "")
git_answer(top rev-parse --show-toplevel)
if(top)
  file(REAL_PATH ${SOURCES} here)
  file(REAL_PATH ${top} top)
endif()
# A copy of the sources in another project's repository has no commit of its own.
if(top AND top STREQUAL here)
  git_answer(commit rev-parse --short=12 HEAD)
  git_answer(changes status --porcelain --untracked-files=no)
  if(changes)
    string(APPEND commit "+")
  endif()
endif()
file(CONFIGURE OUTPUT ${OUTPUT} CONTENT "namespace lorentznet {
extern const char* const ${SYMBOL};
const char* const ${SYMBOL} = \"${commit}\";
}  // namespace lorentznet
" @ONLY)

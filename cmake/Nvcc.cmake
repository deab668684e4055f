# NVCC, the compiler of the CUDA kernels, and CUDART_LIBRARY; empty in builds for CPUs and where there is none.
# (CMake's own language CUDA has no C++20 before CMake 3.26.)
set(NVCC "")
if(LORENTZNET_CUDA)
  find_program(NVCC_PROGRAM nvcc HINTS ${NVIDIA_WHEELS}/cu13/bin ENV CUDA_HOME PATHS /usr/local/cuda
               PATH_SUFFIXES bin)
  find_library(CUDART_LIBRARY cudart_static HINTS ${NVIDIA_WHEELS}/cu13/lib ENV CUDA_HOME PATHS /usr/local/cuda
               PATH_SUFFIXES lib64 lib)
  if(NVCC_PROGRAM AND CUDART_LIBRARY)
    set(NVCC ${NVCC_PROGRAM})
  else()
    message(STATUS "nvcc was not found: on GPUs the programs will compute with LibTorch's operators alone")
  endif()
endif()

# nvcc_object(<variable> <source> INCLUDES <folder>... DEPENDS <file>...): an object file for Ampere, Hopper, and,
# compiled when it is first used, later GPUs. <source>.log beside it has nvcc's version and what ptxas says of each
# kernel, for scripts/cuda_resources.py.
function(nvcc_object variable source)
  cmake_parse_arguments(PARSE_ARGV 2 arg "" "" "INCLUDES;DEPENDS")
  get_filename_component(source ${source} ABSOLUTE)
  get_filename_component(name ${source} NAME)
  set(object ${CMAKE_CURRENT_BINARY_DIR}/${name}.o)
  list(TRANSFORM arg_INCLUDES PREPEND -I)
  add_custom_command(
    OUTPUT ${object}
    BYPRODUCTS ${CMAKE_CURRENT_BINARY_DIR}/${name}.log
    COMMAND sh -c "\"$1\" --version >\"$0\" && \"$@\" 2>>\"$0\" || { cat \"$0\" >&2; exit 1; }"
            ${CMAKE_CURRENT_BINARY_DIR}/${name}.log
            ${NVCC} -std=c++20 -O3 --expt-relaxed-constexpr -Xcompiler -fPIC -Xptxas -v
            -gencode arch=compute_80,code=sm_80 -gencode arch=compute_90,code=[sm_90,compute_90]
            ${arg_INCLUDES} -x cu -c ${source} -o ${object}
    DEPENDS ${source} ${arg_DEPENDS}
    WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR}
    COMMENT "Compiling ${name} with nvcc"
    VERBATIM)
  set_source_files_properties(${object} PROPERTIES EXTERNAL_OBJECT ON GENERATED ON)
  set(${variable} ${object} PARENT_SCOPE)
endfunction()

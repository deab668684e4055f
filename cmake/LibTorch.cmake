# Defines the target `libtorch`.
#
# A CPU build links libtorch_cpu and libc10 and nothing else, so that neither a GPU nor the CUDA
# libraries are needed; Torch's own CMake package insists on them when the wheel was built with CUDA.
# A GPU build (LORENTZNET_CUDA=ON) goes through that package.
# LibTorch is looked for in CMAKE_PREFIX_PATH, then where scripts/setup.sh puts it.
set(LORENTZNET_DEPS ${PROJECT_SOURCE_DIR}/.deps/python)
# at::parallel_for is code in a header: without OpenMP it silently runs in one thread. LibTorch
# brings a libgomp.so.1 of its own, found first by its rpath: one runtime, one set of threads.
find_package(OpenMP REQUIRED COMPONENTS CXX)

if(LORENTZNET_CUDA)
  if(NOT DEFINED ENV{TORCH_CUDA_ARCH_LIST} AND NOT DEFINED TORCH_CUDA_ARCH_LIST)
    # Otherwise Torch's CMake compiles and runs a probe, which needs a GPU.
    set(TORCH_CUDA_ARCH_LIST "8.0;9.0+PTX")
  endif()
  find_package(Torch REQUIRED PATHS ${LORENTZNET_DEPS}/torch)
  add_library(libtorch INTERFACE)
  target_link_libraries(libtorch INTERFACE ${TORCH_LIBRARIES} OpenMP::OpenMP_CXX)
  return()
endif()

find_path(TORCH_INCLUDE_DIR torch/csrc/api/include/torch/nn.h
          PATH_SUFFIXES include torch/include
          HINTS ${LORENTZNET_DEPS} REQUIRED)
find_library(TORCH_CPU_LIBRARY torch_cpu PATH_SUFFIXES lib torch/lib HINTS ${LORENTZNET_DEPS} REQUIRED)
find_library(C10_LIBRARY c10 PATH_SUFFIXES lib torch/lib HINTS ${LORENTZNET_DEPS} REQUIRED)

add_library(libtorch INTERFACE)
target_include_directories(libtorch SYSTEM INTERFACE
                           ${TORCH_INCLUDE_DIR} ${TORCH_INCLUDE_DIR}/torch/csrc/api/include)
# libtorch_cpu of a CUDA wheel depends on the CUDA runtime, which is found at run time by its own
# rpath; the linker need not see it.
target_link_libraries(libtorch INTERFACE ${TORCH_CPU_LIBRARY} ${C10_LIBRARY}
                                         OpenMP::OpenMP_CXX)
target_link_options(libtorch INTERFACE -Wl,--allow-shlib-undefined)

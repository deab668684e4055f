# Defines the target `libtorch`: libtorch_cpu and libc10, and with LORENTZNET_CUDA=ON libtorch_cuda and
# libc10_cuda too. Torch's own CMake package is not used: it insists on the whole CUDA toolkit, also
# for a build without CUDA where the wheel was built with it.
# LibTorch is looked for in CMAKE_PREFIX_PATH, then where scripts/setup.sh puts it. (The installed package
# lorentznet includes this file too.)
if(NOT DEFINED LORENTZNET_DEPS)
  set(LORENTZNET_DEPS ${PROJECT_SOURCE_DIR}/.deps/python)
endif()
# at::parallel_for is code in a header: without OpenMP it silently runs in one thread. LibTorch
# brings a libgomp.so.1 of its own, found first by its rpath: one runtime, one set of threads.
find_package(OpenMP REQUIRED COMPONENTS CXX)

find_path(TORCH_INCLUDE_DIR torch/csrc/api/include/torch/nn.h
          PATH_SUFFIXES include torch/include
          HINTS ${LORENTZNET_DEPS} REQUIRED)
find_library(TORCH_CPU_LIBRARY torch_cpu PATH_SUFFIXES lib torch/lib HINTS ${LORENTZNET_DEPS} REQUIRED)
find_library(C10_LIBRARY c10 PATH_SUFFIXES lib torch/lib HINTS ${LORENTZNET_DEPS} REQUIRED)

add_library(libtorch INTERFACE IMPORTED GLOBAL)
target_include_directories(libtorch SYSTEM INTERFACE
                           ${TORCH_INCLUDE_DIR} ${TORCH_INCLUDE_DIR}/torch/csrc/api/include)
# libtorch_cpu of a CUDA wheel depends on the CUDA runtime, which is found at run time by its own
# rpath; the linker need not see it.
target_link_libraries(libtorch INTERFACE ${TORCH_CPU_LIBRARY} ${C10_LIBRARY}
                                         OpenMP::OpenMP_CXX)
target_link_options(libtorch INTERFACE -Wl,--allow-shlib-undefined)

if(LORENTZNET_CUDA)
  find_library(TORCH_CUDA_LIBRARY torch_cuda PATH_SUFFIXES lib torch/lib HINTS ${LORENTZNET_DEPS} REQUIRED)
  find_library(C10_CUDA_LIBRARY c10_cuda PATH_SUFFIXES lib torch/lib HINTS ${LORENTZNET_DEPS} REQUIRED)
  # For the sources that talk to GPUs themselves; all others compile as they do for CPUs. The wheels
  # keep the toolkit's headers beside LibTorch.
  set(NVIDIA_WHEELS ${TORCH_INCLUDE_DIR}/../../nvidia)
  find_path(CUDA_INCLUDE_DIR cusparse.h REQUIRED
            HINTS ${NVIDIA_WHEELS}/cu13/include ENV CUDA_HOME PATHS /usr/local/cuda
            PATH_SUFFIXES include)
  # Nothing names a symbol of them, but loading them is what brings LibTorch its GPU operators.
  target_link_options(libtorch INTERFACE LINKER:--no-as-needed)
  target_link_libraries(libtorch INTERFACE ${TORCH_CUDA_LIBRARY} ${C10_CUDA_LIBRARY})
endif()

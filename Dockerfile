# top_tagging, qg_tagging and jets for CPUs, with the shipped networks in /opt/lorentznet/logs.
#
#   docker build --tag lorentznet .
#   docker run --rm --user "$(id -u):$(id -g)" --volume "$PWD:/work" lorentznet \
#       top_tagging --test_mode --exp_name pretrained --logdir /opt/lorentznet/logs/top --test_data jets.npz --out scores
#
# This file has not been built yet: there was no Docker daemon. tests/python/check_packaging.py checks that what it copies
# exists, and that the packages and libraries of the second stage are all that the programs load.
FROM debian:bookworm-slim AS build
RUN apt-get update && apt-get install --yes --no-install-recommends ca-certificates g++ python3 python3-pip
WORKDIR /opt/lorentznet
COPY scripts scripts
RUN scripts/setup.sh
COPY . .
RUN cmake --preset release -DLORENTZNET_TESTS=OFF -DLORENTZNET_BENCH=OFF \
    && cmake --build --preset release --target programs

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates hdf5-filter-plugin-blosc-serial libcurl4 \
       libhdf5-cpp-103-1 libisal2 libspdlog1.10 libssl3 libxxhash0 libzip4 \
    && rm -rf /var/lib/apt/lists/*
# The programs look for LibTorch where it was when they were linked.
WORKDIR /opt/lorentznet/.deps/python/torch/lib
COPY --from=build /opt/lorentznet/.deps/python/torch/lib/libtorch_cpu.so \
                  /opt/lorentznet/.deps/python/torch/lib/libc10.so \
                  /opt/lorentznet/.deps/python/torch/lib/libgomp.so.1 ./
WORKDIR /opt/lorentznet/.deps/python/nvidia/cu13/lib
COPY --from=build /opt/lorentznet/.deps/python/nvidia/cu13/lib/libcudart.so.13 \
                  /opt/lorentznet/.deps/python/nvidia/cu13/lib/libcupti.so.13 ./
WORKDIR /opt/lorentznet
COPY --from=build /opt/lorentznet/build/release/bin/top_tagging \
                  /opt/lorentznet/build/release/bin/qg_tagging \
                  /opt/lorentznet/build/release/bin/jets bin/
COPY LICENSE ./
COPY logs logs
ENV PATH=/opt/lorentznet/bin:$PATH
WORKDIR /work
CMD ["top_tagging", "--help"]

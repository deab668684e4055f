"""Runs torchrun from a folder's LibTorch on a machine without the CUDA libraries."""

import sys
from pathlib import Path

from torch_without_cuda import import_torch

if __name__ == "__main__":
    libtorch, stubs, *words = sys.argv[1:]
    import_torch(Path(libtorch), Path(stubs))
    from torch.distributed.run import main

    sys.exit(main(words))

"""Files that appear complete or not at all: by the Python package's functions."""

import package_sources

_whole_files = package_sources.load("whole_files")
make_folder, write_whole = _whole_files.make_folder, _whole_files.write_whole

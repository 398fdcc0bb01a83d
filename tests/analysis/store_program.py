"""Write a compiled program for the tests of the readers, without what is of the machine it is from.

Command: PYTHONPATH=.:.targets/tpu python tests/analysis/store_program.py tpu_v5e 1 FILE.pb.gz \
    cifar_resnet8 --batch_size=8 --dtype=bfloat16
"""

import gzip
import os
import sys
from pathlib import Path

os.environ |= {
    "JAX_PLATFORMS": "cpu",
    "TPU_SKIP_MDS_QUERY": "1",
    "TPU_WORKER_HOSTNAMES": "localhost",
}

from resnets.analysis.compiled import serialised
from resnets.analysis.hlo import without_unread
from resnets.analysis.targets import program
from resnets.analysis.targets.catalogue import read_target, slice_for
from resnets.cli import subject


def main():
    target, devices, file, *argv = sys.argv[1:]
    args, count = subject.parse(argv), int(devices)
    chosen = slice_for(read_target(target), count)
    network, mesh = subject.given(args, []), program.mesh(chosen, count)
    lowered = subject.lower(network, args, chosen.target.platform, mesh)
    stored = without_unread(serialised(lowered.lowered.compile()))
    Path(file).write_bytes(gzip.compress(stored, mtime=0))


if __name__ == "__main__":
    main()

"""Python in a process of its own: for what TensorFlow must hear before it looks at the machine."""

import contextlib
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import lggan_tf

ROOT = Path(lggan_tf.__file__).parents[1]
# Put before a script that is to see several CPU devices; their number is argv[1].
LOGICAL_CPUS = """
import sys
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(
    cpu, [tf.config.LogicalDeviceConfiguration()] * int(sys.argv.pop(1))
)
"""


def start(*arguments, **environment) -> subprocess.Popen:
    """Starts Python with these arguments; `environment` is added to that of this process."""
    return subprocess.Popen(
        [sys.executable, *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(*processes: subprocess.Popen, timeout: float = 580) -> list[str]:
    """What they wrote on stdout; all must end well, and none is left behind."""
    try:
        written = [process.communicate(timeout=timeout) for process in processes]
    finally:
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
    for process, (_, errors) in zip(processes, written, strict=True):
        assert process.returncode == 0, errors[-3000:]
    return [out for out, _ in written]


def run(*arguments, **environment) -> str:
    """What Python wrote on stdout."""
    return finish(start(*arguments, **environment))[0]


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, chosen by the system."""
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def cluster(ports: list[int]) -> list[str]:
    """TF_CONFIG of every worker of a cluster on this machine."""
    hosts = [f"127.0.0.1:{port}" for port in ports]
    return [
        json.dumps({"cluster": {"worker": hosts}, "task": {"type": "worker", "index": index}})
        for index in range(len(hosts))
    ]

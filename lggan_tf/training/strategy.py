"""The devices of a run: one, all of this host, or those of several hosts."""

import json
import os

import tensorflow as tf

from lggan_tf.errors import UserError
from lggan_tf.settings import TrainConfig


def build_strategy(train: TrainConfig) -> tf.distribute.Strategy:
    """The devices to train on; has to come before anything else that uses TensorFlow's devices.

    Args:
        train: of which `strategy` ("auto": the hosts in TF_CONFIG, else all GPUs, else the CPU;
            "one"; "mirrored": all GPUs of this host, else all its logical CPUs; "multi_worker":
            the hosts in TF_CONFIG; "tpu"), `global_batch_size`, `accumulate_steps` and
            `jit_compile` matter.

    Raises:
        UserError: there are no such devices, TF_CONFIG cannot be read, or the devices cannot share
            the batch evenly.
    """
    name = train.strategy
    workers = _workers() if name in ("auto", "multi_worker") else 0
    if name == "multi_worker" and not workers:
        raise UserError(
            "--strategy=multi_worker needs the environment variable TF_CONFIG, which names the "
            "hosts and which of them this one is; the README has an example"
        )
    if name == "tpu":
        strategy = _tpu()
    elif name == "multi_worker" or workers > 1:
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
    else:
        gpus = tf.config.list_logical_devices("GPU")
        if name == "one" or (name == "auto" and len(gpus) < 2):
            strategy = tf.distribute.get_strategy()
        else:
            devices = gpus or tf.config.list_logical_devices("CPU")
            strategy = tf.distribute.MirroredStrategy([device.name for device in devices])
    _check_shares(train, strategy.num_replicas_in_sync)
    return strategy


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Whether this process writes what a run leaves behind; there is one."""
    resolver = strategy.cluster_resolver
    if resolver is None or not resolver.cluster_spec():
        return True
    kind, index = resolver.task_type, resolver.task_id
    return kind in (None, "chief") or (
        kind == "worker" and index == 0 and "chief" not in resolver.cluster_spec().jobs
    )


def worker_count(strategy: tf.distribute.Strategy) -> int:
    """Number of processes that train together."""
    resolver = strategy.cluster_resolver
    if resolver is None or not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return 1
    jobs = resolver.cluster_spec().as_dict()
    return max(len(jobs.get("chief", [])) + len(jobs.get("worker", [])), 1)


def _workers() -> int:
    """Number of hosts in TF_CONFIG, 0 if it is not set."""
    text = os.environ.get("TF_CONFIG", "")
    if not text:
        return 0
    try:
        config = json.loads(text)
        cluster, task = config["cluster"], config["task"]
        hosts = {kind: list(cluster[kind]) for kind in ("chief", "worker") if kind in cluster}
        host = hosts[task["type"]][int(task["index"])]
        assert isinstance(host, str)
    except (ValueError, KeyError, TypeError, IndexError, AssertionError) as error:
        raise UserError(
            f"TF_CONFIG={text} does not name the hosts and which of them this one is "
            f"({type(error).__name__}: {error}); it should look like "
            '{"cluster": {"worker": ["HOST:PORT", "HOST:PORT"]}, '
            '"task": {"type": "worker", "index": 0}}'
        ) from error
    return sum(len(names) for names in hosts.values())


def _tpu() -> tf.distribute.Strategy:
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver.connect()
        return tf.distribute.TPUStrategy(resolver)
    except (ValueError, OSError, tf.errors.OpError) as error:
        raise UserError(
            f"--strategy=tpu: no TPU was found ({str(error).strip().splitlines()[0]}); name it in "
            "the environment variable TPU_NAME, or choose another --strategy"
        ) from error


def _check_shares(train: TrainConfig, replicas: int) -> None:
    parts = train.accumulate_steps
    if train.global_batch_size % (replicas * parts):
        accumulated = f" in --accumulate_steps={parts} parts" if parts > 1 else ""
        multiple = replicas * parts
        raise UserError(
            f"--global_batch_size={train.global_batch_size} cannot be shared evenly by {replicas} "
            f"device{'s' * (replicas > 1)}{accumulated}; make it a multiple of {multiple}"
        )
    if train.jit_compile and replicas > 1 and not tf.config.list_physical_devices("GPU"):
        raise UserError(
            f"--jit_compile does not work on {replicas} CPU devices: XLA cannot sum over them; "
            "leave it out or use --strategy=one"
        )

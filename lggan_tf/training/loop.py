"""The training loop: one compiled step for every strategy, and Keras callbacks around it.

Nothing here reads a value from the device, so the next step can be sent off while the last one
runs. What a run does besides stepping is in `lggan_tf.training.callbacks`.
"""

import keras

from lggan_tf.training.compiled_step import CompiledStep
from lggan_tf.training.logs import CallbackList


def run_steps(
    model: keras.Model,
    update: CompiledStep,
    iterator,
    callbacks: list[keras.callbacks.Callback],
    start: int,
    total: int,
    steps_per_epoch: int,
    steps_per_execution: int = 1,
    workers: int = 1,
) -> int:
    """Steps from `start` to `total`, or until a callback sets `model.stop_training`.

    Hooks are called as by `fit`, with these differences. Steps are counted from 0 over the whole
    run: `on_train_batch_begin(step)` gets the first step of a call and
    `on_train_batch_end(step, logs)` its last. `logs` are read from the device when somebody looks
    at them (`LazyLogs`). `on_epoch_end` gets the means over what this process did of the epoch, and
    is left out for an epoch that was not finished. `on_train_end` is not called if something was
    raised.

    Args:
        model: what the callbacks get to see.
        update: the step.
        iterator: of batches, its first being that of step `start`.
        callbacks: called in this order.
        start: steps that were done before.
        total: steps at the end.
        steps_per_epoch: an epoch's steps.
        steps_per_execution: steps of a call; an epoch's last call may have fewer.
        workers: processes that train together. A callback of one of them that sets
            `stop_training` stops all: two calls later, as votes are read when they are there.

    Returns:
        The number of steps done in all.
    """
    hooks = CallbackList(callbacks, model=model, epochs=-(-total // steps_per_epoch))
    model.stop_training = False
    step, stops, before = start, False, None
    hooks.on_train_begin()
    while step < total and not stops:
        epoch = step // steps_per_epoch
        end = min((epoch + 1) * steps_per_epoch, total)
        of_epoch = None
        hooks.on_epoch_begin(epoch)
        stops = model.stop_training and workers == 1
        while step < end and not stops:
            hooks.on_train_batch_begin(step)
            vote = None if workers == 1 else model.stop_training
            logs = update(iterator, min(steps_per_execution, end - step), vote)
            step += logs.steps
            of_epoch = logs if of_epoch is None else of_epoch + logs
            hooks.on_train_batch_end(step - 1, logs)
            if workers == 1:
                stops = model.stop_training
            else:
                stops, before = before is not None and float(before.votes) > 0, logs
        if step == end and of_epoch is not None:
            hooks.on_epoch_end(epoch, of_epoch)
    hooks.on_train_end()
    return step

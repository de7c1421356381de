import asyncio
import threading

import pytest

from lggan_tf.serving.batcher import Batcher, Job
from lggan_tf.serving.request_error import RequestError


class Model:
    """Adds one to payloads, notes which came together, and can be held back."""

    def __init__(self):
        self.calls = []
        self.gate = threading.Event()
        self.gate.set()

    def run(self, jobs):
        self.gate.wait(10)
        self.calls.append([job.payload for job in jobs])
        return [
            ValueError(job.payload) if job.payload == "bad" else job.payload + 1 for job in jobs
        ]


def batcher(model, **changed):
    options = {"max_batch_size": 4, "max_pixels": 100, "timeout": 0.02, "queue_size": 8}
    return Batcher(model.run, **options | {"workers": 1} | changed)


def run(main):
    async def bounded():
        async with asyncio.timeout(20):
            await main()

    asyncio.run(bounded())


async def submit_all(batches, jobs):
    return await asyncio.gather(*(batches.submit(job) for job in jobs), return_exceptions=True)


def test_jobs_of_one_key_share_a_call_up_to_the_limit():
    model = Model()

    async def main():
        batches = batcher(model)
        jobs = [Job("a" if n % 2 else "b", n) for n in range(8)]
        assert await submit_all(batches, jobs) == list(range(1, 9))
        assert all(job.model_seconds > 0 for job in jobs)
        batches.close()

    run(main)
    assert sorted(model.calls) == [[0, 2, 4, 6], [1, 3, 5, 7]]


def test_rows_and_pixels_limit_a_batch_but_never_split_a_job():
    model = Model()

    async def main():
        batches = batcher(model)
        sizes = [(2, 1), (3, 1), (9, 1), (1, 60), (1, 60), (1, 30)]
        jobs = [Job("a", n, rows, pixels) for n, (rows, pixels) in enumerate(sizes)]
        assert await submit_all(batches, jobs) == [1, 2, 3, 4, 5, 6]
        batches.close()

    run(main)
    assert model.calls == [[0], [1], [2], [3], [4, 5]]


@pytest.mark.parametrize(("key", "size"), [("a", 1), (None, 4)])
def test_without_batching_or_a_key_every_job_is_alone(key, size):
    model = Model()

    async def main():
        batches = batcher(model, max_batch_size=size)
        await submit_all(batches, [Job(key, n) for n in range(3)])
        batches.close()

    run(main)
    assert model.calls == [[0], [1], [2]]


def test_while_the_worker_is_busy_a_batch_grows_and_the_oldest_goes_first():
    model = Model()

    async def main():
        batches = batcher(model, timeout=0.0)
        model.gate.clear()
        first = asyncio.create_task(batches.submit(Job("a", 0)))
        await asyncio.sleep(0)
        rest = []
        for key, payload in (("b", 1), ("a", 2), ("b", 3), ("a", 4)):
            rest.append(asyncio.create_task(batches.submit(Job(key, payload))))
            await asyncio.sleep(0)
        assert batches.waiting == 4
        model.gate.set()
        await asyncio.gather(first, *rest)
        assert batches.waiting == 0
        batches.close()

    run(main)
    assert model.calls == [[0], [1, 3], [2, 4]]


def test_a_full_queue_refuses_with_a_time_to_come_back():
    model = Model()

    async def main():
        batches = batcher(model, queue_size=2, timeout=0.0)
        model.gate.clear()
        jobs = [asyncio.create_task(batches.submit(Job("a", n))) for n in range(3)]
        await asyncio.sleep(0)  # one runs, two wait
        with pytest.raises(RequestError) as caught:
            await batches.submit(Job("a", 9))
        assert caught.value.status == 429
        assert int(caught.value.headers["Retry-After"]) >= 1
        model.gate.set()
        assert await asyncio.gather(*jobs) == [1, 2, 3]
        assert await batches.submit(Job("a", 9)) == 10
        batches.close()

    run(main)


def test_a_job_that_was_given_up_takes_no_place_and_is_not_run():
    model = Model()

    async def main():
        batches = batcher(model, timeout=0.0)
        model.gate.clear()
        running, gone, stays = (
            asyncio.create_task(batches.submit(Job(key, n))) for n, key in enumerate("aab")
        )
        await asyncio.sleep(0)
        gone.cancel()
        running.cancel()
        await asyncio.gather(gone, running, return_exceptions=True)
        assert batches.waiting == 1
        model.gate.set()
        assert await stays == 3
        batches.close()

    run(main)
    assert model.calls == [[0], [2]]


def test_an_error_belongs_to_its_job():
    model = Model()

    async def main():
        batches = batcher(model)
        good, bad = await submit_all(batches, [Job("a", 1), Job("a", "bad")])
        assert good == 2 and isinstance(bad, ValueError)
        batches.close()

    run(main)
    assert model.calls == [[1, "bad"]]


def test_several_workers_run_at_the_same_time():
    both = threading.Barrier(2, timeout=10)

    async def main():
        batches = Batcher(lambda jobs: [both.wait()], 1, 100, 0.0, 8, workers=2)
        assert sorted(await submit_all(batches, [Job(None, 0), Job(None, 0)])) == [0, 1]
        batches.close()

    run(main)

import json
import os
import shutil
import threading

import pytest

from lggan_tf.serving.loaded_model import LoadedModel
from lggan_tf.serving.request_error import RequestError
from lggan_tf.serving.versions import Versions


class Loaded:
    """Stands for a SavedModel."""

    def __init__(self, path):
        content = (path / "saved_model.pb").read_text()
        if content == "broken":
            raise OSError("it is broken\nand more that nobody wants to know")
        self.content = content


def write(folder, model, number, content="good"):
    path = folder / model / str(number)
    path.mkdir(parents=True, exist_ok=True)
    (path / "saved_model.pb").write_text(content)
    return path


def states(versions, model="m"):
    return {int(s["version"]): s["state"] for s in versions.status(model, None, None)}


def served(versions, model="m", number=None, label=None):
    with versions.lease(model, number, label) as version:
        return version.number


def refused(versions, model="m", number=None, label=None):
    with pytest.raises(RequestError) as caught:
        served(versions, model, number, label)
    return caught.value.status


@pytest.fixture
def versions(tmp_path):
    return Versions(tmp_path, Loaded)


def test_the_newest_is_served_and_the_old_one_goes(versions, tmp_path):
    write(tmp_path, "m", 2)
    write(tmp_path, "m", 10)
    (tmp_path / "m" / "notes").mkdir()
    (tmp_path / "m" / ".export-x").mkdir()
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "empty").mkdir()
    versions.scan()
    assert versions.names == ["m"]
    assert states(versions) == {10: "AVAILABLE"}
    write(tmp_path, "m", 11)
    versions.scan()
    assert states(versions) == {11: "AVAILABLE", 10: "END"}
    assert served(versions) == 11
    with pytest.raises(RequestError, match="version 10 of model m is not loaded; loaded are: 11"):
        served(versions, number=10)


def test_leading_zeros_are_a_number(versions, tmp_path):
    write(tmp_path, "m", "00000012")
    versions.scan()
    assert served(versions, number=12) == 12


def test_a_version_stays_until_its_last_request_has_its_answer(versions, tmp_path):
    write(tmp_path, "m", 1)
    versions.scan()
    with versions.lease("m", None, None) as first, versions.lease("m", 1, None):
        write(tmp_path, "m", 2)
        versions.scan()
        assert states(versions) == {2: "AVAILABLE", 1: "UNLOADING"}
        assert first.loaded.content == "good"
        assert served(versions) == 2
        with pytest.raises(RequestError):
            served(versions, number=1)
    assert states(versions) == {2: "AVAILABLE", 1: "END"}
    assert first.loaded is None


def test_a_version_that_is_wanted_again_while_it_goes_stays(versions, tmp_path):
    write(tmp_path, "m", 1)
    versions.scan()
    with versions.lease("m", None, None):
        newer = write(tmp_path, "m", 2)
        versions.scan()
        shutil.rmtree(newer)
        versions.scan()
    assert states(versions) == {1: "AVAILABLE"}
    assert served(versions) == 1


def test_a_broken_version_is_reported_and_the_earlier_one_serves(versions, tmp_path, caplog):
    write(tmp_path, "m", 1)
    versions.scan()
    broken = write(tmp_path, "m", 2, "broken")
    versions.scan()
    (newest, older) = versions.status("m", None, None)
    assert newest == {
        "version": "2",
        "state": "END",
        "status": {"error_code": "UNKNOWN", "error_message": "OSError: it is broken"},
    }
    assert older["state"] == "AVAILABLE"
    assert served(versions) == 1
    assert caplog.text.count("version not loaded") == 1
    versions.scan()  # the same files are not tried again
    assert caplog.text.count("version not loaded") == 1
    (broken / "saved_model.pb").write_text("complete by now")
    versions.scan()
    assert served(versions) == 2
    assert states(versions) == {2: "AVAILABLE", 1: "END"}


def test_when_the_newest_is_broken_from_the_start_the_next_one_serves(versions, tmp_path):
    for number, content in ((1, "good"), (2, "good"), (3, "broken")):
        write(tmp_path, "m", number, content)
    (tmp_path / "m" / "4").mkdir()  # a copy that has only begun
    write(tmp_path, "other", 1, "broken")
    versions.scan()
    assert states(versions) == {4: "END", 3: "END", 2: "AVAILABLE"}
    assert versions.names == ["m"]
    with pytest.raises(RequestError, match="no version that could be loaded"):
        served(versions, "other")


def test_labels_keep_versions_loaded_and_move(versions, tmp_path, caplog):
    for number in (1, 2, 3):
        write(tmp_path, "m", number)
    labels = tmp_path / "m" / "labels.json"
    labels.write_text(json.dumps({"stable": 1, "gone": 77}))
    versions.scan()
    assert states(versions) == {3: "AVAILABLE", 1: "AVAILABLE"}
    assert served(versions, label="stable") == 1
    assert served(versions) == 3
    assert [s["version"] for s in versions.status("m", None, "stable")] == ["1"]
    with pytest.raises(RequestError):
        served(versions, label="gone")
    labels.write_text(json.dumps({"stable": 2}))
    versions.scan()
    assert served(versions, label="stable") == 2
    assert states(versions) == {3: "AVAILABLE", 2: "AVAILABLE", 1: "END"}
    for nonsense in ("{", "[]", '{"stable": "2"}', '{"stable": true}'):
        labels.write_text(nonsense)
        versions.scan()
        assert served(versions, label="stable") == 2
        assert "labels ignored" in caplog.text
        caplog.clear()


def test_a_model_that_is_taken_away_is_forgotten(versions, tmp_path):
    write(tmp_path, "m", 1)
    write(tmp_path, "n", 1)
    versions.scan()
    shutil.rmtree(tmp_path / "m")
    with versions.lease("m", None, None):
        versions.scan()
        assert versions.names == ["n"]
    versions.scan()
    with pytest.raises(RequestError, match="there is no model 'm'"):
        versions.status("m", None, None)


def test_a_folder_that_cannot_be_read_for_a_while_unloads_nothing(versions, tmp_path, caplog):
    write(tmp_path, "m", 1)
    versions.scan()
    tmp_path.rename(tmp_path.with_name("away"))
    versions.scan()
    assert served(versions) == 1
    assert "models not found" in caplog.text
    tmp_path.with_name("away").rename(tmp_path)
    write(tmp_path, "m", 2)
    versions.scan()
    assert served(versions) == 2


def test_requests_go_on_while_a_version_is_loaded(tmp_path):
    write(tmp_path, "m", 1)
    loading, go_on = threading.Event(), threading.Event()

    def slow(path):
        if path.name == "2":
            loading.set()
            assert go_on.wait(10)
        return Loaded(path)

    versions = Versions(tmp_path, slow)
    versions.scan()
    write(tmp_path, "m", 2)
    scan = threading.Thread(target=versions.scan)
    scan.start()
    assert loading.wait(10)
    assert states(versions) == {2: "LOADING", 1: "AVAILABLE"}
    assert served(versions) == 1
    assert refused(versions, number=2) == 503
    assert [refused(versions, number=3), refused(versions, "other")] == [404, 404]
    go_on.set()
    scan.join()
    assert served(versions) == 2


def test_folders_that_are_no_models_are_named_once(versions, tmp_path, caplog):
    write(tmp_path, "right", 1)
    for model, number in (("right", "v2"), ("wrong", "v1"), ("flat", "")):
        write(tmp_path, model, number)
    for ordinary in ("empty", "right/notes", ".hidden"):
        (tmp_path / ordinary).mkdir()
    for _ in range(2):
        versions.scan()
    told = {
        str(line.folder.relative_to(tmp_path)): line.reason
        for line in caplog.records
        if line.message == "folder left out"
    }
    assert sum(line.message == "folder left out" for line in caplog.records) == len(told) == 4
    assert "named by a number, as 1: rename it" in told["right/v2"]
    assert "named by a number" in told["wrong/v1"]
    assert told["flat"] == "its saved_model.pb belongs one folder down, into flat/1"
    assert told["empty"] == "it holds no version, as empty/1/saved_model.pb"
    assert versions.names == ["right"]


def test_what_may_still_be_loading_is_503_and_later_404(tmp_path):
    """Before the first look has ended nobody knows what is missing."""
    for model in ("a", "b"):
        write(tmp_path, model, 1)
    loading, go_on = threading.Event(), threading.Event()

    def slow(path):
        loading.set()
        assert go_on.wait(10)
        return Loaded(path)

    versions = Versions(tmp_path, slow)
    asked = [{}, {"number": 1}, {"number": 7}, {"label": "stable"}, {"model": "b"}, {"model": "c"}]
    assert [refused(versions, **({"model": "a"} | own)) for own in asked] == [503] * 6
    scan = threading.Thread(target=versions.scan)
    scan.start()
    assert loading.wait(10)
    assert [refused(versions, **({"model": "a"} | own)) for own in asked] == [503] * 6
    with pytest.raises(RequestError) as caught:
        versions.status("b", None, None)
    assert (caught.value.status, caught.value.headers) == (503, {"Retry-After": "1"})
    go_on.set()
    scan.join()
    assert served(versions, "a") == served(versions, "b") == 1
    assert [refused(versions, **({"model": "a"} | own)) for own in (*asked[2:4], asked[5])] == [
        404
    ] * 3


def test_what_is_no_saved_model_is_reported_in_one_line(models_dir, tmp_path):
    shutil.copytree(models_dir / "painter" / "3", tmp_path / "m" / "1")
    for file, content in (("saved_model.pb", b"nonsense"), ("variables/variables.index", b"x")):
        shutil.copytree(tmp_path / "m" / "1", tmp_path / "m" / "2")
        (tmp_path / "m" / "2" / file).write_bytes(content)
        versions = Versions(tmp_path, LoadedModel)
        versions.scan()
        (broken, _) = versions.status("m", None, None)
        assert broken["state"] == "END"
        assert broken["status"]["error_message"]
        assert "\n" not in broken["status"]["error_message"]
        assert served(versions) == 1
        shutil.rmtree(tmp_path / "m" / "2")


def test_an_unloaded_model_is_freed(models_dir, tmp_path):
    """Five versions one after the other hold no more memory than two."""

    def resident():
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20

    source = models_dir / "painter" / "3"
    versions = Versions(tmp_path, Ballast)
    for number in range(1, 7):
        shutil.copytree(source, tmp_path / "m" / str(number))
        versions.scan()
        versions.scan()  # the second one collects
        if number == 2:
            before = resident()
    assert resident() - before < 100


class Ballast(LoadedModel):
    """A SavedModel with 50 MiB beside it."""

    def __init__(self, path):
        super().__init__(path)
        self.ballast = b"x" * (50 << 20)
        self.itself = self

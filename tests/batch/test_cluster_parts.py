"""What a run on a cluster is made of, without a cluster and without Ray."""

from __future__ import annotations

import hashlib
import pickle
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest
from noisy_files import save

from nsp_cli import __version__
from nsp_cli.batch import Job, Outcome, Pipeline, Restored, RunSettings, Status, Worker, on_cluster
from nsp_cli.batch.on_cluster import ClusterPipeline, PhotoService
from nsp_cli.cluster import Request, Share, choose_share, share
from nsp_cli.cluster import station as station_module
from nsp_cli.cluster.station import Station
from nsp_cli.errors import DeviceError, InputError, NspError, OutputError, UnexpectedError, WeightsError
from nsp_cli.files import claim, hidden_name, marked, replacing


class Doubling:
    """A service that doubles numbers."""

    def __init__(self, weights=()) -> None:
        self.is_stopped = threading.Event()
        self.contents = [path.read_bytes() for path in weights]

    def process(self, item, *, is_again: bool):  # noqa: ARG002
        return 2 * item

    def stop(self) -> None:
        self.is_stopped.set()


class Waiting(Doubling):
    """A service that is at work until it is stopped."""

    def process(self, item, *, is_again: bool):  # noqa: ARG002
        self.is_stopped.wait(20)
        return item


class Stubborn(Doubling):
    """A service that does not listen."""

    def __init__(self, weights=()) -> None:
        super().__init__(weights)
        self.may_end = threading.Event()

    def process(self, item, *, is_again: bool):  # noqa: ARG002
        self.may_end.wait(20)
        return item


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class TestStation:
    def test_weights_arrive_and_are_gone_from_the_disk_when_they_are_loaded(self):
        made, folders = [], []

        def make(paths):
            folders.append(paths[0].parent)
            made.append(Doubling(paths))
            return made[0]

        station = Station()
        assert station.open(Request(make, [sha256(b"one"), sha256(b"two")]), b"one", b"two") is None
        assert made[0].contents == [b"one", b"two"]
        assert not folders[0].exists()
        assert station.process(4, False) == 8

    def test_damaged_weights_are_refused(self):
        refusal = Station().open(Request(pytest.fail, [sha256(b"one")]), b"other")
        assert isinstance(refusal, WeightsError)

    def test_another_version_is_refused(self):
        refusal = Station().open(Request(pytest.fail, version="0.0"))
        assert refusal is not None
        assert __version__ in refusal.message
        assert "0.0" in refusal.message

    def test_a_node_without_the_folder_is_refused(self, tmp_path):
        assert Station().open(Request(Doubling, must_exist=[tmp_path])) is None
        refusal = Station().open(Request(pytest.fail, must_exist=[tmp_path / "nas"]))
        assert isinstance(refusal, InputError)
        assert "nas" in refusal.message

    def test_a_node_with_a_folder_of_its_own_is_refused(self, tmp_path, monkeypatch):
        monkeypatch.setattr(station_module, "_LATE_SECONDS", 0.1)
        (tmp_path / "nas").mkdir()
        with marked(tmp_path / "nas") as marker:
            assert Station().open(Request(Doubling, marker=marker)) is None
        refusal = Station().open(Request(pytest.fail, marker=marker))
        assert isinstance(refusal, InputError)
        assert f"another folder {tmp_path / 'nas'}" in refusal.message
        assert not list((tmp_path / "nas").iterdir())

    def test_a_marker_may_appear_late(self, tmp_path):
        timer = threading.Timer(0.5, (tmp_path / "late").touch)
        timer.start()
        assert Station().open(Request(Doubling, marker=tmp_path / "late")) is None
        timer.join()

    def test_leaving_waits_for_what_ends(self):
        station, results = Station(), []
        station.open(Request(Waiting))
        thread = threading.Thread(target=lambda: results.append(station.process(1, False)))
        thread.start()
        begin = time.monotonic()
        station.leave(20)
        assert time.monotonic() - begin < 10  # the service would have gone on for 20 seconds
        thread.join(20)
        assert results == [1]

    def test_leaving_does_not_wait_for_what_does_not_end(self, tmp_path):
        station, path, service = Station(), tmp_path / "result", Stubborn()
        station.open(Request(lambda _weights: service))
        thread = threading.Thread(target=station.process, args=(1, False), daemon=True)
        thread.start()
        with suppress(OutputError), replacing(path) as file:
            file.write(b"half")
            begin = time.monotonic()
            station.leave(0.1)
            assert time.monotonic() - begin < 10
            assert not list(tmp_path.iterdir())
        service.may_end.set()
        thread.join(20)

    def test_stopping_removes_nothing(self, tmp_path):
        station = Station()
        station.open(Request(Doubling))
        with replacing(tmp_path / "result") as file:
            file.write(b"whole")
            station.stop()
        assert (tmp_path / "result").read_bytes() == b"whole"


class TestPhotoService:
    def restore(self, pixels, _on_progress, _view):
        return Restored(pixels.flip(2))

    def service(self) -> PhotoService:
        settings = RunSettings("net", "0" * 64, "settings")
        return PhotoService(
            Pipeline(settings, [Worker(self.restore)], lambda *_: lambda *_: None),
        )

    def job(self, folder: Path) -> Job:
        job = Job(save(folder / "a.png"), folder / "out" / "a.png")
        job.target.parent.mkdir()
        return job

    def test_a_photo_of_a_dead_worker_waits_for_its_claim(self, tmp_path):
        job = self.job(tmp_path)
        held = claim(job.target)
        assert held is not None
        threading.Timer(0.7, held.release).start()
        assert self.service().process(job, is_again=True).status is Status.DONE

    def test_a_photo_of_another_run_is_left_to_it(self, tmp_path):
        job = self.job(tmp_path)
        held = claim(job.target)
        outcome = self.service().process(job, is_again=False)
        assert held is not None
        held.release()
        assert outcome.status is Status.SKIPPED
        assert outcome.is_elsewhere

    def test_what_a_killed_worker_left_is_removed(self, tmp_path):
        job = self.job(tmp_path)
        left = job.target.with_name(f"{hidden_name(job.target)}-0123.png")
        left.write_bytes(b"half")
        job.target.with_name(f"{hidden_name(job.target)}.lock").touch()
        assert self.service().process(job, is_again=True).status is Status.DONE
        assert [path.name for path in job.target.parent.iterdir()] == ["a.png"]

    def test_several_threads_share_one_network(self, tmp_path):
        at_once, most = [], []

        def restore(pixels, _on_progress, _view):
            at_once.append(1)
            most.append(len(at_once))
            at_once.pop()
            return Restored(pixels.flip(2))

        settings = RunSettings("net", "0" * 64, "settings")
        service = PhotoService(Pipeline(settings, [Worker(restore)], lambda *_: lambda *_: None))
        jobs = [Job(save(tmp_path / f"{n}.png", n), tmp_path / "out" / f"{n}.png") for n in range(6)]
        outcomes: list[Outcome] = []
        threads = [
            threading.Thread(target=lambda job=job: outcomes.append(service.process(job, is_again=False)))
            for job in jobs
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert [outcome.status for outcome in outcomes] == [Status.DONE] * 6
        assert set(most) == {1}

    def test_a_stopped_service_begins_nothing(self, tmp_path):
        service = self.service()
        service.stop()
        job = self.job(tmp_path)
        assert service.process(job, is_again=False).status is Status.NOT_BEGUN
        assert not list(job.target.parent.iterdir())


class TestShare:
    @pytest.fixture(autouse=True)
    def nodes(self, monkeypatch) -> list[dict[str, float]]:
        found: list[dict[str, float]] = []
        monkeypatch.setattr(share, "_nodes", lambda: {str(n): node for n, node in enumerate(found)})
        return found

    def test_one_worker_for_each_gpu_with_its_part_of_the_cores(self, nodes):
        nodes += [{"CPU": 32, "GPU": 8}, {"CPU": 16, "GPU": 2}, {"CPU": 64}]
        chosen = choose_share("auto")
        assert (chosen.cores, chosen.gpus) == (4, 1)
        assert chosen.slots() == 10

    def test_two_cores_each_without_gpus(self, nodes):
        nodes += [{"CPU": 5}, {"CPU": 2}, {"memory": 1e9}]
        chosen = choose_share("auto")
        assert (chosen.cores, chosen.gpus) == (2, 0)
        assert chosen.slots() == 3

    def test_the_smallest_node_takes_part(self, nodes):
        nodes += [{"CPU": 8}, {"CPU": 1}]
        assert choose_share("cpu") == Share(1)
        assert choose_share("cpu").slots() == 9

    def test_a_node_that_joins_makes_room(self, nodes):
        nodes += [{"CPU": 2}]
        chosen = choose_share("cpu")
        nodes += [{"CPU": 4}]
        assert chosen.slots() == 3

    def test_a_node_that_is_left_out_has_no_room(self, nodes):
        nodes += [{"CPU": 2}, {"CPU": 6}]
        assert choose_share("cpu").slots(without={"1"}) == 1

    def test_ray_hands_out_the_gpus(self, nodes):
        nodes += [{"CPU": 32, "GPU": 8}]
        with pytest.raises(DeviceError, match="Ray chooses"):
            choose_share("cuda:1")

    @pytest.mark.parametrize("device", ["cuda", "auto"])
    def test_a_cluster_without_the_device(self, nodes, device):
        nodes += [{"CPU": 2}] if device == "cuda" else [{"memory": 1e9}]
        with pytest.raises(DeviceError):
            choose_share(device)


def test_all_nodes_look_for_a_file_among_the_results(tmp_path, monkeypatch):
    class Looking:
        def __init__(self, request, *_arguments):
            self.marker = request.marker

        def run(self, _items):
            assert self.marker.parent == tmp_path / "out"
            assert self.marker.exists()
            yield 0, Outcome(job, Status.DONE)

    monkeypatch.setattr(on_cluster, "Farm", {(Job, Outcome): Looking})
    job = Job(save(tmp_path / "a.png"), tmp_path / "out" / "a.png")
    run = ClusterPipeline(Request(pytest.fail), Share(1), [], lambda *_: None).run([job])
    assert [outcome.status for outcome in run] == [Status.DONE]
    assert not list((tmp_path / "out").iterdir())


class TestErrorsOnTheirWay:
    def test_a_full_disk_is_still_known(self):
        error = OutputError("no room", "free some")
        error.__cause__ = OSError(28, "No space left on device")
        arrived = pickle.loads(pickle.dumps(Outcome(Job(Path("a"), Path("b")), Status.FAILED, error=error)))
        assert type(arrived.error) is OutputError
        assert (arrived.error.message, arrived.error.hint) == ("no room", "free some")
        assert arrived.is_end_of_disk

    def test_a_fault_keeps_its_traceback_as_text(self):
        def fail() -> None:
            raise KeyError(threading.Lock())  # which no process can send to another

        try:
            fail()
        except KeyError as fault:
            error = UnexpectedError(Path("a.jpg"), fault)
        arrived = pickle.loads(pickle.dumps(error))
        assert type(arrived) is UnexpectedError
        assert arrived.message == error.message
        assert "in fail" in str(arrived.__cause__)

    def test_an_error_without_a_cause(self):
        assert pickle.loads(pickle.dumps(NspError("what", "hint"))).__cause__ is None


@pytest.mark.parametrize(("command", "more"), [("denoise", ()), ("evaluate", ("clean.png",))])
def test_without_ray_the_command_says_what_to_install(run_nsp, tmp_path, monkeypatch, command, more):
    monkeypatch.setattr("nsp_cli.cluster.connection.find_spec", lambda _name: None)
    photos = [save(tmp_path / name) for name in ("a.png", *more)]
    before = sorted(tmp_path.iterdir())
    run = run_nsp(command, *photos, "--cluster", "auto")
    assert run.code == 1
    assert "pip install 'nsp-cli[cluster]'" in run.err
    assert "Model" not in run.err
    assert sorted(tmp_path.iterdir()) == before


def test_pipes_are_not_for_clusters(run_nsp, tmp_path):
    run = run_nsp("denoise", save(tmp_path / "a.png"), "-o", "-", "--cluster", "auto")
    assert run.code == 2
    assert "--cluster is for files" in run.err


def test_data_sets_are_not_for_clusters(run_nsp, tmp_path):
    run = run_nsp("evaluate", "sidd-validation", tmp_path, "--cluster", "auto")
    assert run.code == 2
    assert "--cluster is for folders" in run.err

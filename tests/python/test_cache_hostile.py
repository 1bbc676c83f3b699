"""The disk cache in bad company: damaged, foreign, read-only, full, killed, shared. Right answers, no stray files."""

import os
import pathlib
import shutil
import sys
import tempfile

import pytest
from forking_worker import Worker

import braze

FUNCTIONS = 6
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="needs to change owners")


@pytest.fixture(scope="module")
def worker():
    worker = Worker()
    yield worker
    worker.close()


def ask(worker, cache, **request):
    environment = {"BRAZE_CACHE_DIR": str(cache), **request.pop("environment", {})}
    answers = worker.ask(environment=environment, functions=FUNCTIONS, **request)
    for answer in answers:
        assert answer.get("wrong") == [], answer
        assert answer["entries"] == FUNCTIONS, answer
    return answers


def files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in pathlib.Path(folder).rglob("*"))


@pytest.fixture(scope="module")
def filled(worker, tmp_path_factory):
    """A cache folder that one process has filled."""
    folder = tmp_path_factory.mktemp("filled") / "cache"
    (answer,) = ask(worker, folder)
    assert answer["compiled"] > 0 and answer["from_disk"] == 0, answer
    return folder


@pytest.fixture
def copy(filled, tmp_path):
    shutil.copytree(filled, tmp_path / "cache")
    return tmp_path / "cache"


def test_second_process_compiles_nothing(worker, copy):
    before = files(copy)
    (answer,) = ask(worker, copy)
    assert answer["compiled"] == 0 and answer["from_disk"] > 0, answer
    assert files(copy) == before


def test_folder_and_files_are_private(filled):
    assert filled.stat().st_mode & 0o777 == 0o700
    assert files(filled)
    assert all(path.stat().st_mode & 0o077 == 0 for path in filled.rglob("*"))


def truncate(path):
    os.truncate(path, path.stat().st_size // 2)


def flip_a_bit(path):
    data = bytearray(path.read_bytes())
    data[len(data) * 2 // 3] ^= 4
    path.write_bytes(data)


def become_a_folder(path):
    path.unlink()
    (path / "inner").mkdir(parents=True)


def become_a_pipe(path):
    path.unlink()
    os.mkfifo(path)


def become_a_link(path):
    path.rename(path.with_name("moved-away"))
    path.symlink_to("moved-away")


def become_huge(path):
    os.truncate(path, 1 << 40)


DAMAGES = {
    "emptied": lambda path: path.write_bytes(b""),
    "one byte left": lambda path: os.truncate(path, 1),
    "cut in half": truncate,
    "last byte missing": lambda path: os.truncate(path, path.stat().st_size - 1),
    "a bit flipped": flip_a_bit,
    "bytes appended": lambda path: path.open("ab").write(b"more"),
    "zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "noise": lambda path: path.write_bytes(os.urandom(path.stat().st_size)),
    "unreadable": lambda path: path.chmod(0),
    "writable by others": lambda path: path.chmod(0o666),
    "a folder": become_a_folder,
    "a pipe": become_a_pipe,
    "a link": become_a_link,
    "huge": become_huge,
    "gone": lambda path: path.unlink(),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_files(worker, copy, damage):
    for name in files(copy):
        if (copy / name).is_file():
            DAMAGES[damage](copy / name)
    (answer,) = ask(worker, copy)
    if damage != "unreadable" or os.geteuid() != 0:
        assert answer["compiled"] > 0, answer


def test_damage_is_repaired(worker, copy):
    before = files(copy)
    for name in before:
        truncate(copy / name)
    ask(worker, copy)
    (answer,) = ask(worker, copy)
    assert answer["compiled"] == 0 and files(copy) == before, answer


def test_valid_file_under_another_name(worker, copy):
    names = files(copy)
    contents = [(copy / name).read_bytes() for name in names]
    for name, content in zip(names, contents[1:] + contents[:1]):
        (copy / name).write_bytes(content)
    ask(worker, copy)


def test_unrelated_files_stay(worker, copy):
    (copy / "notes.txt").write_text("mine")
    (copy / "folder").mkdir()
    ask(worker, copy)
    assert (copy / "notes.txt").read_text() == "mine" and (copy / "folder").is_dir()


@root_only
def test_folder_of_another_user(worker, copy):
    for path in [copy, *copy.rglob("*")]:
        os.chown(path, 12345, 12345)
    (answer,) = ask(worker, copy)
    assert answer["from_disk"] == 0 and "another user" in answer["cache"]["problem"], answer


@root_only
def test_files_of_another_user(worker, copy):
    for path in copy.rglob("*"):
        os.chown(path, 12345, 12345)
    (answer,) = ask(worker, copy)
    assert answer["from_disk"] == 0, answer


def test_folder_is_a_link(worker, copy):
    link = copy.with_name("link")
    link.symlink_to(copy)
    (answer,) = ask(worker, link)
    assert answer["from_disk"] == 0 and answer["cache"]["problem"], answer


def test_others_may_write_to_the_folder(worker, copy):
    copy.chmod(0o777)
    (answer,) = ask(worker, copy)
    assert answer["from_disk"] == 0 and answer["cache"]["problem"], answer


def test_folder_is_a_file(worker, tmp_path):
    (tmp_path / "cache").write_text("a file")
    (answer,) = ask(worker, tmp_path / "cache")
    assert answer["cache"]["problem"]
    assert (tmp_path / "cache").read_text() == "a file"


def test_folder_cannot_be_made(worker):
    (answer,) = ask(worker, "/proc/braze-cache")
    assert answer["cache"]["problem"], answer


def open_to_all(path):
    return all(parent.stat().st_mode & 0o001 for parent in pathlib.Path(path).resolve().parents)


def test_read_only_folder(worker):
    with tempfile.TemporaryDirectory(prefix="braze-read-only-") as outside:
        folder = pathlib.Path(outside) / "cache"
        folder.mkdir()
        request = {}
        if os.geteuid() == 0:  # root may write anywhere, so the child becomes somebody else
            if not all(map(open_to_all, (sys.prefix, sys.base_prefix, braze.__file__))):
                pytest.skip("this Python is closed to other users")
            request["user"] = 12345
            os.chmod(outside, 0o755)
            os.chown(folder, 12345, 12345)
        folder.chmod(0o500)
        (answer,) = ask(worker, folder, **request)
        assert answer["cache"]["problem"], answer
        assert files(folder) == []


def test_full_disk(worker, tmp_path):
    (answer,) = ask(worker, tmp_path / "cache", file_bytes=0)
    assert answer["cache"]["problem"], answer
    assert files(tmp_path / "cache") == []


def test_disk_fills_up_half_way(worker, tmp_path):
    ask(worker, tmp_path / "cache", file_bytes=700)
    assert all(not name.startswith("tmp") for name in files(tmp_path / "cache"))


def test_no_home(worker, tmp_path):
    environment = {"BRAZE_CACHE_DIR": None, "HOME": None, "XDG_CACHE_HOME": str(tmp_path / "xdg")}
    (answer,) = ask(worker, None, environment=environment, folder=str(tmp_path))
    assert answer["folder"] in ([], ["xdg"]), answer


def test_home_is_no_folder(worker, tmp_path):
    environment = {"BRAZE_CACHE_DIR": None, "HOME": "/proc/nowhere", "XDG_CACHE_HOME": None}
    (answer,) = ask(worker, None, environment=environment, folder=str(tmp_path))
    assert answer["folder"] == [] and answer["cache"]["problem"], answer


def test_relative_home_is_not_used(worker, tmp_path):
    environment = {"BRAZE_CACHE_DIR": None, "HOME": "here", "XDG_CACHE_HOME": "there"}
    (answer,) = ask(worker, None, environment=environment, folder=str(tmp_path))
    assert answer["folder"] == [], answer


def test_cache_switched_off(worker, tmp_path):
    (answer,) = ask(worker, tmp_path / "cache", environment={"BRAZE_CACHE": "0"})
    assert answer["compiled"] > 0 and not (tmp_path / "cache").exists()


def test_tiny_limit(worker, tmp_path):
    ask(worker, tmp_path / "cache", environment={"BRAZE_CACHE_SIZE": "0"})
    assert files(tmp_path / "cache") == [] if (tmp_path / "cache").exists() else True


def test_two_processes_and_sixteen_threads(worker, filled, tmp_path):
    ask(worker, tmp_path / "cache", processes=2, threads=16)
    assert files(tmp_path / "cache") == files(filled)


@pytest.mark.parametrize("delay", [0.0, 0.01, 0.05])
def test_killed_half_way(worker, filled, tmp_path, delay):
    folder = tmp_path / "cache"
    environment = {"BRAZE_CACHE_DIR": str(folder)}
    worker.ask(environment=environment, functions=FUNCTIONS, processes=2, kill_after=delay)
    ask(worker, folder)
    assert [name for name in files(folder) if not name.startswith("tmp.")] == files(filled)

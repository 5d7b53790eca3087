"""Files that people upload are kept where they outlast a deploy, or are refused: a platform throws the disk away."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import InMemoryStorage, storages
from django.db import models
from django.test.utils import isolate_apps

from offbeat.deployment import media_check
from offbeat.dev.ports import LOOPBACK, free_port
from offbeat.storage.media import NoStorageError
from tests.offbeat.support import warm_python
from tests.offbeat.support.fresh_settings import load
from tests.offbeat.support.polling import wait_until
from tests.offbeat.support.running import CHECKOUT, Running
from tests.offbeat.support.stack import listens

TOOLS = CHECKOUT / ".local" / "tools" / "s3"  # by tests/offbeat/support/install_tools
needs_s3 = pytest.mark.skipif(
    not (TOOLS / "bin" / "moto_server").exists(),
    reason="no moto_server: run tests/offbeat/support/install_tools",
)
KEYS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "eu-central-1"}
SAVE = """
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
print(default_storage.save("photos/a.txt", ContentFile(b"hello")))
"""
READ = """
from django.core.files.storage import default_storage
print(default_storage.open("photos/a.txt").read())
"""
SHOW = """
from urllib.request import urlopen
from django.conf import settings
url = default_storage.url("photos/a.txt")
print(url, urlopen(url).read(), settings.SECURE_CSP["img-src"])
"""
BUCKET = b"<CreateBucketConfiguration><LocationConstraint>eu-central-1</LocationConstraint></CreateBucketConfiguration>"


def run(program, **changes):
    """Run a program in the app, with production's settings and the libraries for buckets behind the app's own."""
    libraries = [str(path) for path in TOOLS.glob("lib/python*/site-packages")]
    start = f"import sys; sys.path += {libraries}; import django; django.setup()\n"
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "program.py"
        file.write_text(start + program)
        return warm_python.run(
            [sys.executable, file], env=os.environ | {"MEDIA_ROOT": ""} | changes, cwd=CHECKOUT
        )


# Nowhere


def test_a_file_without_a_place_is_refused():
    """In production a file is not written to the disk that goes with the process: the error says what to set."""
    told = run(SAVE)

    assert told.stdout == ""
    assert told.stderr.strip().splitlines()[-1] == (
        "offbeat.storage.media.NoStorageError: photos/a.txt: there is no place for files: the disk of this process is temporary. "
        "Hint: set MEDIA_BUCKET to a bucket, or MEDIA_ROOT to a mounted volume (docs/offbeat/uploads.md)."
    )


@pytest.fixture
def nowhere(settings):
    """The storage of a production that names no place."""
    settings.STORAGES = settings.STORAGES | {"default": {"BACKEND": "offbeat.storage.media.RefusingStorage"}}
    return storages["default"]


@pytest.mark.parametrize(
    "use",
    [
        lambda storage: storage.save("a", ContentFile(b"")),
        lambda storage: storage.open("a"),
        lambda storage: storage.url("a"),
        lambda storage: storage.delete("a"),
        lambda storage: storage.size("a"),
    ],
    ids=["save", "open", "url", "delete", "size"],
)
def test_every_use_is_refused_in_the_same_words(nowhere, use):
    """Nothing is done in silence, and nothing fails with a traceback that names no cure."""
    with pytest.raises(NoStorageError, match=r"^a: there is no place for files.* MEDIA_BUCKET"):
        use(nowhere)


@pytest.fixture
def check(monkeypatch):
    """Tells what the check says of a model that has a picture, in a storage of its own or not."""

    def check_model(storage=None, *, asked=media_check.check_media, **options):
        with isolate_apps("tests.offbeat.faults.effects") as apps:
            type("Photo", (models.Model,), {
                "picture": models.FileField(storage=storage, **options),
                "Meta": type("Meta", (), {"app_label": "effects"}),
                "__module__": __name__,
            })  # fmt: skip
            monkeypatch.setattr(media_check, "apps", apps)
            return [(each.id, each.msg) for each in asked()]

    return check_model


def test_a_field_for_files_needs_a_place(nowhere, check):
    """The check names the field before anybody uploads something (W002)."""
    words = "effects.Photo.picture: there is no place for files: saving one is an error"

    assert check() == [("offbeat.W002", words)]


def test_a_field_with_a_storage_of_its_own(nowhere, check):
    """Who says where its files go is not asked."""
    assert check(InMemoryStorage()) == []


def test_with_a_place_there_is_nothing_to_say(check):
    """A bucket or a volume is enough."""
    assert check() == []


def test_the_check_of_a_project_that_names_no_storage(settings, check):
    """Its own STORAGES may have static files only."""
    settings.STORAGES = {"staticfiles": settings.STORAGES["staticfiles"]}

    assert check(InMemoryStorage()) == []


def test_a_field_for_files_needs_a_path_that_takes_them(settings, check):
    """A project that took files before an update reads what to write, and not only its visitors (W003)."""
    settings.OFFBEAT_UPLOADS = {}
    words = "effects.Photo.picture: OFFBEAT_UPLOADS lists no path, so a form with a file gets the answer 400"

    assert check(asked=media_check.check_uploads) == [("offbeat.W003", words)]
    assert check(asked=media_check.check_uploads, editable=False) == []
    settings.OFFBEAT_UPLOADS = {"/photos/": 1}
    assert check(asked=media_check.check_uploads) == []


# On a disk


def test_a_volume_keeps_files(tmp_path):
    """MEDIA_ROOT names it; every process finds there what another one has saved."""
    saved, read = run(SAVE, MEDIA_ROOT=str(tmp_path)), run(READ, MEDIA_ROOT=str(tmp_path))

    assert (saved.stdout, read.stdout) == ("photos/a.txt\n", "b'hello'\n"), saved.stderr
    assert (tmp_path / "photos" / "a.txt").read_bytes() == b"hello"


def test_a_volume_that_is_not_mounted(tmp_path):
    """Its folder is not made on the disk that goes with the process."""
    told = run(SAVE, MEDIA_ROOT=f"{tmp_path}/data")

    assert f"photos/a.txt: MEDIA_ROOT={tmp_path}/data is not a folder. Hint: mount its volume" in told.stderr
    assert not (tmp_path / "data").exists()


def test_a_developers_files_are_local():
    """With DEBUG files go to .local/media, and pages show them."""
    told = run(
        "from django.core.files.storage import default_storage as s\nfrom django.urls import resolve\n"
        "print(s.location, resolve('/media/a.txt').kwargs['path'])",
        DEBUG="true",
    )

    assert told.stdout == f"{CHECKOUT}/tests/offbeat/sample_project/.local/media a.txt\n", told.stderr


# In a bucket


@pytest.fixture(scope="module")
def bucket(tmp_path_factory):
    """The variables of a bucket on a server that speaks the protocol of S3."""
    port = free_port()
    command = [str(TOOLS / "bin" / "moto_server"), "-H", LOOPBACK, "-p", str(port)]
    server = Running("s3", command, dict(os.environ), tmp_path_factory.mktemp("s3") / "log", CHECKOUT)
    wait_until(lambda: listens(port))
    address = f"http://{LOOPBACK}:{port}"
    urlopen(Request(f"{address}/shop", method="PUT", data=BUCKET)).close()  # noqa: S310  our own
    yield KEYS | {"MEDIA_BUCKET": "shop", "MEDIA_ENDPOINT_URL": address}
    server.kill()


@pytest.fixture(scope="module")
def saved(bucket):
    """What a process says that has saved a file there, and then shows it."""
    return run(SAVE + SHOW, **bucket)


@needs_s3
def test_a_bucket_keeps_files(bucket, saved):
    """What one process has saved another reads; a second file of the same name overwrites nothing."""
    read = run(SAVE + READ, **bucket)

    name, *_ = saved.stdout.splitlines()
    again, content = read.stdout.splitlines()
    assert (name, content) == ("photos/a.txt", "b'hello'"), saved.stderr + read.stderr
    assert again.startswith("photos/a_")


@needs_s3
def test_its_addresses_are_signed_and_pages_may_show_them(bucket, saved):
    """A link to a file is good for an hour and for a reader without keys; the policy of our pages allows its host."""
    host = bucket["MEDIA_ENDPOINT_URL"]
    url, content, *policy = saved.stdout.splitlines()[1].split()
    assert url.startswith(f"{host}/shop/photos/a.txt?")
    assert "X-Amz-Expires=3600" in url
    assert "X-Amz-Signature=" in url
    assert content == "b'hello'"
    assert f"'{host}']" in policy


@needs_s3
def test_nothing_of_it_is_imported_without_a_bucket():
    """Whoever has no bucket does not pay for its libraries."""
    told = run(
        "from django.core.files.storage import default_storage as s\ns.exists('a')\n"
        "print('storages' in sys.modules, 'botocore' in sys.modules)"
    )

    assert told.stdout == "False False\n", told.stderr


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"MEDIA_BUCKET": "shop"}, "MEDIA_BUCKET is set, and django-storages is not installed. Hint: add"),
        ({"MEDIA_ENDPOINT_URL": "https://s3.example"}, "MEDIA_ENDPOINT_URL is set, and MEDIA_BUCKET is not."),
        (
            {"MEDIA_ENDPOINT_URL": "s3.example"},
            "Unexpected value MEDIA_ENDPOINT_URL=…: should be https://",
        ),
        ({"MEDIA_ROOT": "media"}, "Unexpected value MEDIA_ROOT=media: use a folder, like /data/media"),
        (
            {"MEDIA_BUCKET": "shop", "AWS_ACCESS_KEY_ID": "x"},
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY: one is set",
        ),
    ],
)
def test_what_is_wrong_is_named(variables, message):
    """Half a configuration ends before anything starts."""
    _, problems = load(**variables)

    assert problems[0].startswith(message)

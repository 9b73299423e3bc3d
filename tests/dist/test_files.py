"""What was built holds our files, all of them and no others."""

from __future__ import annotations

import email
import re
import subprocess
import tarfile
import zipfile

import pytest

from airflow_wechat import __version__
from dist_files import ROOT, tracked


@pytest.fixture(scope="session")
def metadata(wheel):
    with zipfile.ZipFile(wheel) as archive:
        [name] = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return email.message_from_bytes(archive.read(name))


def test_the_wheel_holds_the_package_and_nothing_else(wheel):
    info = f"airflow_provider_wechat-{__version__}.dist-info"
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if not name.endswith("/")}

    assert names == {
        *(name.removeprefix("provider/") for name in tracked() if name.startswith("provider/")),
        *(
            f"{info}/{name}"
            for name in ("METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE")
        ),
    }


def test_the_sdist_holds_what_is_tracked_and_nothing_else(sdist):
    with tarfile.open(sdist) as archive:
        names = {member.name.partition("/")[2] for member in archive.getmembers() if member.isfile()}

    assert names == {*tracked(), "PKG-INFO"}


def test_nothing_is_executed_or_linked_elsewhere(sdist):
    with tarfile.open(sdist) as archive:
        assert [
            member.name for member in archive.getmembers() if not (member.isfile() or member.isdir())
        ] == []


def test_the_version_is_semver_and_has_its_place_in_the_changelog(metadata):
    changelog = (ROOT / "CHANGELOG.md").read_text()

    assert metadata["Version"] == __version__
    assert re.fullmatch(r"\d+\.\d+\.\d+", __version__)
    assert re.search(rf"^## (?:{re.escape(__version__)}\b|Unreleased$)", changelog, flags=re.MULTILINE)


@pytest.mark.parametrize(
    "classifier",
    ["Framework :: Apache Airflow", "Framework :: Apache Airflow :: Provider", "Typing :: Typed"],
)
def test_the_metadata_says_what_it_is(metadata, classifier):
    assert classifier in metadata.get_all("Classifier")


def test_the_readme_is_what_an_index_shows(metadata):
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert metadata.get_payload().startswith("# airflow-provider-wechat")


def test_each_extra_of_the_readme_is_there(metadata):
    readme = (ROOT / "README.md").read_text()
    rows = readme.partition("| extra |")[2].partition("\n\n")[0].splitlines()[2:]

    named = [name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1])]

    assert sorted(named) == sorted(metadata.get_all("Provides-Extra"))


def test_what_was_built_is_not_tracked():
    done = subprocess.run(["git", "check-ignore", "dist", "docs/_build"], cwd=ROOT, check=False)

    assert done.returncode == 0

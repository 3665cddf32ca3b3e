"""Folders of images as people keep them: hidden files, links in circles, empty classes."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from wmse_tui.engine.data.sources.scan import count_text, listing, scan
from wmse_tui.engine.errors import DataError

Picture = Callable[..., Path]


def test_images_are_listed_sorted_by_folder_and_name(tmp_path: Path, picture: Picture) -> None:
    for name in ("cat/b.png", "cat/a.JPG", "cat/deep/0.png", "ant/x.png", "top.png", "nest/deep/y.png"):
        picture(tmp_path / name)
    tree = scan(tmp_path)
    assert tree.files == tuple(
        f"{tmp_path}/{name}"
        for name in ("top.png", "ant/x.png", "cat/a.JPG", "cat/b.png", "cat/deep/0.png", "nest/deep/y.png")
    )
    assert tree.names == ("ant", "cat", "nest")
    assert tree.nested == ("nest",)
    assert tree.shape() == "1 image directly in it and 3 folders with 5 images (ant, cat, nest)"


def test_hidden_files_and_folders_are_passed_over(tmp_path: Path, picture: Picture) -> None:
    for name in ("cat/a.png", "cat/._a.png", ".thumbs/a.png", "cat/.cache/a.png"):
        picture(tmp_path / name)
    tree = scan(tmp_path)
    assert tree.files == (f"{tmp_path}/cat/a.png",)
    assert tree.notices() == ()


def test_other_files_and_empty_folders_are_reported_once(tmp_path: Path, picture: Picture) -> None:
    picture(tmp_path / "cat" / "a.png")
    (tmp_path / "dog").mkdir()
    for name in ("README", "cat/boxes.txt", "cat/more.txt"):
        (tmp_path / name).touch()
    assert scan(tmp_path).notices() == (
        f"{tmp_path}: folders without images are ignored: dog",
        f"{tmp_path}: files that are no images by their names are ignored: 1 without extension, 2 .txt",
    )


def test_links_are_followed_but_never_in_circles(tmp_path: Path, picture: Picture) -> None:
    picture(tmp_path / "store" / "a.png")
    root = tmp_path / "root"
    picture(root / "dog" / "b.png")
    (root / "cat").symlink_to(tmp_path / "store")
    (root / "dog" / "up").symlink_to(root)
    (root / "dog" / "self").symlink_to(root / "dog")
    (root / "again").symlink_to(tmp_path / "store")
    tree = scan(root)
    assert len(tree.files) == 2  # whichever name of the store comes first
    assert tree.names == ("again", "dog")


def test_only_the_wanted_folders_are_entered(tmp_path: Path, picture: Picture) -> None:
    for name in ("a", "b", "c"):
        picture(tmp_path / name / "x.png")
    assert scan(tmp_path, {"a", "c"}).names == ("a", "c")


def test_a_path_that_is_no_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"no folder .*/absent: it does not exist"):
        scan(tmp_path / "absent")
    with pytest.raises(DataError, match=r"no folder .*/file: it is a file"):
        scan(tmp_path / "file")


def test_a_folder_that_may_not_be_read_is_named(
    tmp_path: Path, picture: Picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture(tmp_path / "cat" / "a.png")
    true_scandir = os.scandir

    def scandir(path: str) -> object:
        if path.endswith("cat"):
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return true_scandir(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(DataError) as caught:
        scan(tmp_path)
    assert caught.value.title == "no permission to read the images"
    assert caught.value.detail.startswith(
        f"{tmp_path}/cat: Permission denied; {tmp_path}/cat belongs to uid "
    )


def test_long_lists_are_cut_and_numbers_have_their_nouns() -> None:
    assert listing(tuple("abcdefg"), 3) == "a, b, c and 4 more"
    assert listing(("a", "b")) == "a, b"
    assert [count_text(n, "image") for n in (1, 12_000)] == ["1 image", "12,000 images"]
    assert count_text(2, "class", "classes") == "2 classes"


def test_a_folder_that_may_not_be_entered_is_reported_as_such(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = os.stat

    def closed(path: str | os.PathLike[str], **options: bool) -> os.stat_result:
        if str(path).startswith(f"{tmp_path}/closed/"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return honest(path, **options)

    (tmp_path / "closed" / "images").mkdir(parents=True)
    monkeypatch.setattr(os, "stat", closed)
    with pytest.raises(DataError) as caught:
        scan(tmp_path / "closed" / "images")
    assert caught.value.title == "no permission to read the images"
    assert f"{tmp_path / 'closed'} belongs to uid" in caught.value.detail

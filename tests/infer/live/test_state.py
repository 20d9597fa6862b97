"""The JSON interface of the live page."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

pytest.importorskip("uvicorn", reason="needs the live extra: pip install 'fkd[live]'")
pytest.importorskip("starlette", reason="needs the live extra: pip install 'fkd[live]'")

from live_client import JSON, ask, get_state
from live_page import HEIGHT, WIDTH, wait_until

from fkd_infer.live.server import LiveServer


def test_the_state_has_settings_choices_and_figures(server: LiveServer) -> None:
    state = get_state(server)
    assert state["source"] == "clip.mp4"
    assert state["look"] == {
        "filters": [],
        "smoothing": "off",
        "layers": [],
        "source": 0,
        "mirrored": False,
        "paused": False,
    }
    assert state["choices"]["sources"] == ["clip.mp4"]
    assert state["problem"] == ""
    assert state["recording"] == {"active": False, "seconds": 0.0, "number": 0, "problem": ""}
    assert state["choices"]["filters"][0] == {"name": "red", "title": "Red corner"}
    assert state["choices"]["smoothing"] == ["off", "low", "medium", "high"]
    assert state["stats"]["faces"] == 1
    assert (state["stats"]["width"], state["stats"]["height"]) == (WIDTH, HEIGHT)
    wait_until(lambda: get_state(server)["stats"]["fps"] > 0)


def test_changes_are_drawn_in_the_order_of_the_choices(server: LiveServer) -> None:
    wanted = {"filters": ["green", "red"], "smoothing": "low", "layers": ["box"]}
    status, body, _ = ask(server, "/state", "POST", json.dumps(wanted), JSON)
    assert status == 200
    look = {**get_state(server)["look"], **wanted, "filters": ["red", "green"]}
    assert json.loads(body)["look"] == look
    ask(server, "/state", "POST", '{"filters": ["red"]}', JSON)
    assert get_state(server)["look"] == {**look, "filters": ["red"]}

    def corner() -> list[int]:
        _, png, _ = ask(server, "/snapshot.png")
        image = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
        assert image is not None
        values: list[int] = image[0, 0].tolist()
        return values

    wait_until(lambda: corner() == [0, 0, 255])


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ('{"filters": ["blue"]}', "filters: unknown value 'blue'; there are: red, green"),
        ('{"filters": ["../../etc"]}', "filters: unknown value '../../etc'"),
        ('{"filters": "red"}', "filters is a list of names"),
        ('{"filters": [["red"]]}', "filters: unknown value"),
        ('{"layers": [1]}', "layers: unknown value '1'"),
        ('{"smoothing": "most"}', "smoothing: unknown value 'most'; there are: off, low"),
        ('{"smoothing": ["low"]}', "smoothing: unknown value"),
        ('{"smoothing": null}', "smoothing: unknown value 'None'"),
        ('{"model": "x"}', "unknown field 'model'; there are: filters, layers, smoothing, source"),
        ('{"source": "/etc/passwd"}', "source is a number from 0 to 1"),
        ('{"source": "clip.mp4"}', "source is a number from 0 to 1"),
        ('{"source": 2}', "source is a number from 0 to 1"),
        ('{"source": -1}', "source is a number from 0 to 1"),
        ('{"source": true}', "source is a number from 0 to 1"),
        ('{"source": 1.0}', "source is a number from 0 to 1"),
        ('{"paused": 1}', "paused is true or false"),
        ('{"mirrored": "yes"}', "mirrored is true or false"),
        ("[]", "send an object"),
        ("{", "that is not JSON"),
        ("", "that is not JSON"),
        ("[" * 4000, "that is not JSON"),
        (b"\xff\xfe\x00", "that is not JSON"),
    ],
)
def test_an_invalid_change_is_refused_and_changes_nothing(
    two_sources: LiveServer, body: str | bytes, line: str
) -> None:
    before = get_state(two_sources)["look"]
    status, answer, _ = ask(two_sources, "/state", "POST", body, JSON)
    assert status == 400
    assert line in json.loads(answer)["error"]
    assert get_state(two_sources)["look"] == before


def test_another_source_is_chosen_and_plays_even_after_a_pause(two_sources: LiveServer) -> None:
    ask(two_sources, "/state", "POST", '{"paused": true}', JSON)
    assert get_state(two_sources)["look"]["paused"]
    _, body, _ = ask(two_sources, "/state", "POST", '{"source": 1}', JSON)
    state = json.loads(body)
    assert state["source"] == "other.mp4"
    assert not state["look"]["paused"]
    ask(two_sources, "/state", "POST", '{"source": 0, "paused": true}', JSON)
    assert get_state(two_sources)["look"]["paused"]


def test_a_large_body_is_refused(server: LiveServer) -> None:
    body = json.dumps({"filters": ["red"] * 1000})
    status, answer, _ = ask(server, "/state", "POST", body, JSON)
    assert (status, json.loads(answer)) == (413, {"error": "at most 4096 bytes"})


def test_only_json_is_accepted(server: LiveServer) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded"):
        assert ask(server, "/state", "POST", "{}", {"Content-Type": kind})[0] == 415
    assert ask(server, "/state", "PUT", "{}", JSON)[0] == 405

from __future__ import annotations

import pytest

from airflow_wechat.sandbox import Sandbox

WRONG_SECRET = "0f" * 16


def test_the_button_says_that_the_secret_is_right(airflow, sandbox):
    answer = airflow.api.test_connection(sandbox.connection)

    assert answer["status"] is True
    assert sandbox.app.app_id in answer["message"]


def test_the_button_says_that_the_secret_is_wrong(airflow, sandbox):
    answer = airflow.api.test_connection(sandbox.connection | {"password": WRONG_SECRET})

    assert answer["status"] is False
    assert "40125" in answer["message"]
    assert WRONG_SECRET not in answer["message"]


def test_the_button_names_an_ip_address_that_is_not_on_the_allow_list(airflow):
    with Sandbox(allow_list=("203.0.113.9",)) as strict:
        answer = airflow.api.test_connection(strict.connection)

    assert answer["status"] is False
    assert "127.0.0.1" in answer["message"]


def test_the_form_has_wechats_own_labels_and_hides_the_rest(airflow):
    hooks = airflow.api.get_ui("/connections/hook_meta")
    fields = next(hook for hook in hooks if hook["connection_type"] == "wechat")["standard_fields"]

    shown = {name: field["title"] for name, field in fields.items() if field and not field["hidden"]}
    assert shown == {"login": "AppID", "password": "AppSecret", "host": "Base URL"}
    assert all(fields[name]["hidden"] for name in ("port", "url_schema"))


@pytest.mark.parametrize(
    ("command", "named"),
    [
        (("providers", "list"), "airflow-provider-wechat"),
        (("providers", "hooks"), "airflow_wechat.hooks.wechat.WeChatHook"),
        (("plugins",), "airflow_wechat"),
    ],
)
def test_airflow_lists_it(airflow, command, named):
    assert named in airflow.airflow(*command, "--output", "plain")

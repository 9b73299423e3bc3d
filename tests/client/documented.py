"""What WeChat documents of its errcodes, by what the reader must do: written out, not derived."""

from __future__ import annotations

from airflow_wechat.client.errors import (
    AllowAddressError,
    AskPermissionError,
    CheckAnswerError,
    FixCredentialsError,
    FixRequestError,
    RenewTokenError,
    TryAgainError,
    WaitForDataError,
    WaitForQuotaError,
    WeChatError,
)

CODES = {
    RenewTokenError: [40001, 40014, 42001, 41001],
    TryAgainError: [-1, 61504, 45011, -501001, -501002, -501004, -504003, -601001, -601003, -604102, -604103],
    WaitForDataError: [61503],
    WaitForQuotaError: [45009, 44990, 44993, -501003],
    CheckAnswerError: [-504001, -504002],
    FixCredentialsError: [40013, 40125, 40243, 41002, 41004, 61023, *range(40230, 40240)],
    AllowAddressError: [40164, 61004, 89503, 89506, 89507],
    AskPermissionError: [48001, 48004, 50002, 50004, 50007, 61007, -604101],
    FixRequestError: [
        *(40002, 61500, 61501, 61502, 47001, 40097, 43002, 44002, 40240),
        *(-501000, -501005, -501007, -501009),
    ],
}
PAIRS = [(errcode, error) for error, errcodes in CODES.items() for errcode in errcodes]

RETRYABLE = {
    WeChatError: True,
    RenewTokenError: True,
    TryAgainError: True,
    WaitForDataError: True,
    WaitForQuotaError: True,
    CheckAnswerError: True,
    FixCredentialsError: False,
    AllowAddressError: False,
    AskPermissionError: False,
    FixRequestError: False,
}

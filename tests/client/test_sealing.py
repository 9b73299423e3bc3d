from __future__ import annotations

import base64
import json
import pickle
import re
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_public_key,
)
from cryptography.x509.oid import NameOID
from requests.structures import CaseInsensitiveDict

from airflow_wechat.client.errors import CheckAnswerError
from airflow_wechat.client.sealing import Sealer
from airflow_wechat.client.sealing_keys import SealingKeys
from airflow_wechat.client.signing import Stamp, SymKey, sign, signed_url, verify

PATH = "/datacube/getweanalysisappiddailyvisittrend"
URL = "https://api.weixin.qq.com" + PATH
APP_ID = "wxba6223c06417af7b"
NOW = 1635927954
ANSWER = {"list": [{"ref_date": "20211102", "session_cnt": 7, "stay_time_uv": 492.3333}]}

# The example of WeChat's documentation; of its keys only the public halves.
DOC_URL = "https://api.weixin.qq.com/wxa/getuserriskrank"
DOC_KEY = SymKey(
    base64.b64decode("otUpngOjU+nVQaWJIC3D/yMLV17RKaP6t4Ot9tbnzLY="), "fa05fe1e5bcc79b81ad5ad4b58acf787"
)
DOC_FIELDS = {
    "appid": "wxba6223c06417af7b",
    "openid": "oEWzBfmdLqhFS2mTXCo2E4Y9gJAM",
    "scene": 0,
    "client_ip": "127.0.0.1",
}
DOC_NONCE = "o89QaPVsRu1yppIZzvSZc4"
DOC_IV = base64.b64decode("fmW/zNxXlytUZBgj")
DOC_CALL = (
    b'{"iv":"fmW/zNxXlytUZBgj","data":"0IDVdrPtSPF/Oe2CTXCV2vVNPbVJdJlP2WaTMQnoYLh5iCrrSNfQFh25EnStDMf0hLlVNB'
    b"CZQtf9NaV0m4aRA4AAYIO7oR/Ge+4yY4EmZp5EVPB42xjScgMx5X3D4VdLCfynXIUKUtZHZvk1zmLVE3RauzJgiM1BB1CPmwcENo3MTJ"
    b'0z8Vfkf5tMv54kOXobDLlV5rfqKdAX7gM/rP82DgZdt9vvZX44ipdbHIjJvw83ZXAFtvftdVw2Qd8=","authtag":"5qeM/2vZv+6Kt'
    b'ScN94IpMg=="}'
)
DOC_CALL_SIGNATURE = (
    "wcSSWHZunjz9VKl9q+If9deiyECXDAELfAJNZ4+5T+NhFr8zfhkwdQtlgQ7nN5xs99R57La9UjBTRBGge2KYyshWtw7HIMPAqWNsnpHvx0b2"
    "f7s6Bt7OpfOQLlIfNgepgTVmUwrqW8/7A12szj7tCe/bRFilwnaX6N0w4duHlfL7ic7IIZXouvy9dLRAa5GtEk1eD/LPWRiKh0SvJ3znPY/p"
    "SiQW9zSkXVdj9UGGM8qcKLzPGJ7gSmt3ZOPkFapk9wqFmhJwQj//xN5+hUlr2UiNPMNSHve5Y2ADLsNHqk5t7RfAZ8nW9/8lzhVt4t+toy1F"
    "eehxCGIC8qgmjIl1hg=="
)
DOC_APP_KEY = b"""-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA3FoQOmOl5/CF5hF7ta4E
zCy2LaU3Eu2k9DBwQ73J82I53Sx9LAgM1DH3IsYohRRx/BESfbdDI2powvr6QYKV
IC+4Yavwg7gzhZRxWWmT1HruEADCZAgkUCu+9Il/9FPuitPSoIpBd07NqdkkRe82
NBOfrKTdhge/5zd457fl7J81Q5VTIxO8vvq7FSw7k6Jtv+eOjR6SZOWbbUO7f9r4
UuUkXmvdGv21qiqtaO1EMw4tUCELzY73M7NpCH3RorlommYX3P6q0VrkDHrCE0/Q
MhmHsF+46E+IRcJ3wtEj3p/mO1VoCpEhawC1U728ZUTwWNEii8hPEhcNAZTKaQMa
TQIDAQAB
-----END PUBLIC KEY-----"""
DOC_ANSWER_HEADERS = {
    "Wechatmp-Appid": "wxba6223c06417af7b",
    "Wechatmp-TimeStamp": "1635927956",
    "Wechatmp-Serial": "79ba700ea147819f640941bceb38b1d1",
    "Wechatmp-Signature": (
        "Ht0VfQkkEweJ4hU266C14Aj64H9AXfkwNi5zxUZETCvR2svU1ZYdosDhFX/voLj1TyszqKsVxAlENGt7PPZZ8RQX7jnA4SKhiPUhW4LT"
        "byTenisHJ+ohSfDjYnXavjQsBHspFS+BlPHuSSJ2xyQzw1+HuC6nid09ZL4FnGSYo4OI5MJrSb9xLzIVZMIDuUQchGKi/KaB1KzxECLE"
        "ZcfjqbAgmxC7qOmuBLyO1WkHYDM95NJrHJWba5xv4wrwPru9yYTJSNRnlM+zrW5w9pOubC4Jtj3szTAEuOz9AcqUmgaAvMLNAIa8hfOD"
        "LRe3n/cu4SgYlN/ZkNRU4QXVNbPGMg=="
    ),
}
DOC_ANSWER = (
    b'{"iv":"r2WDQt56rEAmMuoR","data":"HExs66Ik3el+iM4IpeQ7SMEN934FRLFYOd3EmeaIrpP4EPTHckoco6O+PaoRZRa3lqaPRZ'
    b"T7r52f7LUok6gLxc6cdR8C4vpIIfh4xfLC4L7FNy9GbuMK1hcoi8b7gkWJcwZMkuCFNEDmqn3T49oWzAQOrY4LZnnnykv6oUJotdAsnK"
    b'vmoJkLK7hRh7M2B1d2UnTnRuoIyarXc5Iojwoghx4BOvnV","authtag":"z2BFD8QctKXTuBlhICGOjQ=="}'
)
DOC_PLATFORM_KEY = b"""-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAzkP2qWQKaTWSvcWkXR72
lzeQay/PlEDT9hGfL3E8ojJXZRUwNm9FD6YMeyJBAUTp62DjnsoVhLFMMq0i1t2X
qElBUZ4C+DSao9gT1KQdEZN8v8CddFsoEbYYLY5xo9ICmuws56uyNrLaZ772kXxU
fJtXxqjHvwA2xTvkb847dXWIQTSzk+aCWqTwMSLD2AH90YnOw19fDO/InKJQ/1m6
Nh7HKOxL79kZ1I5SSov+2H7XrIePxqVx3KBrpgZ9YQPJaS3+L8HbxzDHifPCTzGC
u6uJ89ou4yTT73AlAsJ8Cf9/vPIesLw9wPVe+9G31UE0wEBJezfvXQ4PLJV/aWQy
CQIDAQAB
-----END PUBLIC KEY-----"""

APP_KEY = rsa.generate_private_key(65537, 2048)
PLATFORM_KEY = rsa.generate_private_key(65537, 2048)
OTHER_KEY = rsa.generate_private_key(65537, 2048)
SMALL_KEY = rsa.generate_private_key(65537, 1024)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
SYM_KEY = SymKey(bytes(range(32)), "5e" * 16)
OTHER_SYM_KEY = replace(SYM_KEY, key=bytes(32))
OURS, LATER = "0a" * 16, "0b" * 16
KEYS = SealingKeys(SYM_KEY, APP_KEY, PLATFORM_KEY.public_key(), OURS)
STAMP = Stamp(URL, APP_ID, NOW)
OLD = replace(STAMP, timestamp=NOW - 301)


def private_pem(key: Any, form: PrivateFormat = PrivateFormat.PKCS8, password: bytes | None = None) -> str:
    encryption = BestAvailableEncryption(password) if password else NoEncryption()
    return key.private_bytes(Encoding.PEM, form, encryption).decode()


def public_pem(key: Any) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def certificate_pem(key: Any, ends_in: timedelta = timedelta(days=1)) -> str:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "WeChat")])
    ends_at = datetime.now(UTC) + ends_in
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(ends_at - timedelta(days=1000)).not_valid_after(ends_at)
    return builder.sign(key, SHA256()).public_bytes(Encoding.PEM).decode()


def sm2_private_pem() -> str:
    """Built by hand, as not every build makes SM2 keys: PKCS#8 with SM2's curve and any number as the key."""
    head = "3041020100301306072a8648ce3d020106082a811ccf5501822d042730250201010420"
    der = base64.b64encode(bytes.fromhex(head) + bytes(range(1, 33))).decode()
    return f"-----BEGIN PRIVATE KEY-----\n{der}\n-----END PRIVATE KEY-----\n"


def sm2_certificate_pem() -> str:
    """One for P-256, with SM2's curve in its place: their names are of one length."""
    first, *middle, last = certificate_pem(EC_KEY).strip().split("\n")
    p256, sm2 = bytes.fromhex("2a8648ce3d030107"), bytes.fromhex("2a811ccf5501822d")
    der = base64.b64decode("".join(middle)).replace(p256, sm2)
    return "\n".join([first, base64.b64encode(der).decode(), last])


def extra(**changes: Any) -> dict[str, Any]:
    """What a connection's Extra says."""
    return {
        "sym_key": base64.b64encode(SYM_KEY.key).decode(),
        "sym_sn": SYM_KEY.sn,
        "private_key": private_pem(APP_KEY),
        "certificate": certificate_pem(PLATFORM_KEY),
        "certificate_sn": OURS,
    } | changes


def encrypted(fields: Mapping[str, Any] = ANSWER, stamp: Stamp = STAMP, key: SymKey = SYM_KEY) -> bytes:
    return key.encrypt(stamp, fields, "bm9uY2U", b"twelve bytes")


def signed(
    body: bytes, stamp: Stamp = STAMP, key: Any = PLATFORM_KEY, **changes: str | None
) -> dict[str, str]:
    """The headers of an answer that WeChat signs; a change of ``None`` leaves one out."""
    said = {
        "Wechatmp-Appid": stamp.app_id,
        "Wechatmp-TimeStamp": str(stamp.timestamp),
        "Wechatmp-Serial": OURS,
        "Wechatmp-Signature": sign(key, stamp.lines(body)),
    } | {f"Wechatmp-{name}": value for name, value in changes.items()}
    return {name: value for name, value in said.items() if value is not None}


def changing(body: bytes) -> dict[str, str]:
    """The headers of an answer while our certificate makes way for a later one."""
    return {
        **signed(body, key=OTHER_KEY, Serial=LATER),
        "Wechatmp-Serial-Deprecated": OURS,
        "Wechatmp-Signature-Deprecated": sign(PLATFORM_KEY, STAMP.lines(body)),
    }


def sealer(keys: SealingKeys = KEYS, now: float = NOW) -> Sealer:
    return Sealer(APP_ID, keys, now=lambda: now)


def opened(body: bytes, said: Mapping[str, str], now: float = NOW) -> Any:
    return json.loads(sealer(now=now).open(URL, said, body, PATH))


def refusal(body: bytes, said: Mapping[str, str], now: float = NOW) -> CheckAnswerError:
    with pytest.raises(CheckAnswerError) as caught:
        sealer(now=now).open(URL, said, body, PATH)
    return caught.value


def flipped(data: bytes) -> Iterable[bytes]:
    """Every way to change one byte by one bit, the bit another in each."""
    for place, byte in enumerate(data):
        yield data[:place] + bytes([byte ^ 1 << place % 8]) + data[place + 1 :]


def assert_tells_none(error: Exception, secrets: Iterable[str]) -> None:
    told = "".join(traceback.format_exception(error)) + repr(error)
    assert (error.__cause__, error.__context__) == (None, None)
    assert [secret for secret in secrets if secret in told] == []


SECRETS = [extra()["sym_key"], *private_pem(APP_KEY).split("\n")[1:-2]]


def test_the_documentations_call_is_made_byte_for_byte():
    body = DOC_KEY.encrypt(Stamp(DOC_URL, APP_ID, 1635927954), DOC_FIELDS, DOC_NONCE, DOC_IV)

    assert body == DOC_CALL
    assert len(body) == 324


def test_the_documentations_signature_of_a_call_is_right():
    lines = Stamp(DOC_URL, APP_ID, 1635927954).lines(DOC_CALL)

    assert verify(load_pem_public_key(DOC_APP_KEY), lines, DOC_CALL_SIGNATURE)


def test_the_documentations_answer_is_opened():
    platform_key = load_pem_public_key(DOC_PLATFORM_KEY)
    keys = SealingKeys(DOC_KEY, APP_KEY, platform_key, "79ba700ea147819f640941bceb38b1d1")

    answer = sealer(keys, now=1635927956).open(
        DOC_URL, DOC_ANSWER_HEADERS, DOC_ANSWER, "/wxa/getuserriskrank"
    )

    assert answer == b'{"errcode":0,"errmsg":"getuserriskrank succ","risk_rank":0,"unoin_id":2258658297}'


def test_a_call_is_laid_out_as_the_documentations():
    asking = Sealer(
        APP_ID,
        replace(KEYS, sym_key=DOC_KEY),
        now=lambda: 1635927954.9,
        random_bytes=bytes,
    )

    call = asking.seal(DOC_URL, DOC_FIELDS)

    stamp = Stamp(DOC_URL, APP_ID, 1635927954)
    assert call.body == DOC_KEY.encrypt(stamp, DOC_FIELDS, "A" * 22, bytes(12))
    assert call.headers == {
        "Wechatmp-Appid": APP_ID,
        "Wechatmp-TimeStamp": "1635927954",
        "Wechatmp-Signature": call.headers["Wechatmp-Signature"],
    }


def test_a_call_is_signed_with_the_apps_key():
    call = sealer().seal(URL, {})

    assert verify(APP_KEY.public_key(), STAMP.lines(call.body), call.headers["Wechatmp-Signature"])


def test_every_call_has_a_nonce_and_an_iv_of_its_own():
    asking = sealer()

    bodies = [json.loads(asking.seal(URL, {}).body) for _ in range(2)]

    nonces = {json.loads(SYM_KEY.decrypt(STAMP, body) or b"")["_n"] for body in bodies}
    assert len(nonces) == len({body["iv"] for body in bodies}) == 2
    assert all(re.fullmatch(r"[A-Za-z0-9+/]{22}", nonce) for nonce in nonces)


def test_a_signature_has_a_salt_of_32_bytes():
    signature = base64.b64decode(sign(APP_KEY, b"lines"))

    APP_KEY.public_key().verify(signature, b"lines", PSS(MGF1(SHA256()), 32), SHA256())


@pytest.mark.parametrize("salt", [0, 20, 32, PSS.MAX_LENGTH])
def test_a_signature_with_a_salt_of_any_length_is_accepted(salt):
    signature = APP_KEY.sign(b"lines", PSS(MGF1(SHA256()), salt), SHA256())

    assert verify(APP_KEY.public_key(), b"lines", base64.b64encode(signature).decode())


@pytest.mark.parametrize(
    ("base_url", "host"),
    [
        ("https://api.weixin.qq.com", "https://api.weixin.qq.com"),
        ("https://sh.api.weixin.qq.com", "https://sh.api.weixin.qq.com"),
        ("https://API.Weixin.QQ.com:443", "https://api.weixin.qq.com"),
        ("http://127.0.0.1:8090", "https://api.weixin.qq.com"),
        ("https://gateway.example.com/wechat", "https://api.weixin.qq.com"),
        ("https://api.weixin.qq.com.example.com", "https://api.weixin.qq.com"),
        ("https://notweixin.qq.com", "https://api.weixin.qq.com"),
    ],
)
def test_the_signed_url_is_the_one_that_wechat_sees(base_url, host):
    assert signed_url(base_url, PATH) == host + PATH


PASTED: dict[str, Callable[[str], str]] = {
    "as it is": lambda pem: pem,
    "CRLF": lambda pem: pem.replace("\n", "\r\n"),
    "written line ends": lambda pem: pem.replace("\n", r"\n"),
    "written CRLF": lambda pem: pem.replace("\n", r"\r\n"),
    "no line ends": lambda pem: pem.replace("\n", ""),
    "spaces for line ends": lambda pem: pem.replace("\n", " "),
    "blanks around": lambda pem: f"\n  {pem}  \n",
}


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
@pytest.mark.parametrize("paste", PASTED.values(), ids=PASTED)
def test_keys_are_read_however_they_were_pasted(paste, form):
    given = extra(private_key=private_pem(APP_KEY, form))

    keys = SealingKeys.read(**{name: paste(text) for name, text in given.items()})

    assert (keys.sym_key, keys.certificate_sn) == (SYM_KEY, OURS)
    assert keys.private_key.private_numbers() == APP_KEY.private_numbers()
    assert keys.platform_key == PLATFORM_KEY.public_key()


SM2 = "is not RSA: SM2 is not supported: choose RSAwithSHA256 in WeChat's console"
SM4 = "has 16 bytes: SM4 is not supported: choose AES256_GCM in WeChat's console"
SMALL = "has a key of 1024 bits: give one with an RSA key of 2048 bits or more"
NOT_ALLOWED: dict[str, tuple[str, Callable[[], Any], str]] = {
    "no base64": ("sym_key", lambda: "otUpngOjU+nVQaWJIC3D-yMLV17RKaP6t4Ot9tbnzLY=", "is not base64: give"),
    "stray character": ("sym_key", lambda: extra()["sym_key"].replace("H", "!H"), "is not base64: give"),
    "no ASCII": ("sym_key", lambda: "otUpngOjU密nVQaWJIC3D", "is not base64: give"),
    "SM4": ("sym_key", lambda: base64.b64encode(b"k" * 16).decode(), SM4),
    "AES-192": ("sym_key", lambda: base64.b64encode(b"k" * 24).decode(), "has 24 bytes: give"),
    "hexadecimal": ("sym_key", lambda: "5e" * 32, "has 48 bytes: give"),
    "no PEM": ("private_key", lambda: "MIIEowIBAAKCAQEA3FoQOmOl5", "cannot be read: give"),
    "cut off": ("private_key", lambda: private_pem(APP_KEY)[:400], "cannot be read: give"),
    "changed": ("private_key", lambda: private_pem(APP_KEY).replace("M", "N"), "cannot be read: give"),
    "no UTF-8": ("private_key", lambda: private_pem(APP_KEY) + "\ud800", "cannot be read: give"),
    "public": ("private_key", lambda: public_pem(APP_KEY), "cannot be read: give"),
    "password": (
        "private_key",
        lambda: private_pem(APP_KEY, password=b"hunter2"),
        "is protected with a password",
    ),
    "password, PKCS#1": (
        "private_key",
        lambda: private_pem(APP_KEY, PrivateFormat.TraditionalOpenSSL, b"hunter2"),
        "is protected with a password",
    ),
    "SM2": ("private_key", sm2_private_pem, SM2),
    "P-256": ("private_key", lambda: private_pem(EC_KEY), SM2),
    "Ed25519": ("private_key", lambda: private_pem(ed25519.Ed25519PrivateKey.generate()), SM2),
    "1024 bits": ("private_key", lambda: private_pem(SMALL_KEY), SMALL),
    "no certificate": ("certificate", lambda: public_pem(PLATFORM_KEY), "cannot be read: give"),
    "SM2 certificate": ("certificate", sm2_certificate_pem, SM2),
    "P-256 certificate": ("certificate", lambda: certificate_pem(EC_KEY), SM2),
    "1024 bits certificate": ("certificate", lambda: certificate_pem(SMALL_KEY), SMALL),
    **{f"blank {name}": (name, lambda: " \n", "is blank or no text: give") for name in extra()},
    **{f"no text {name}": (name, lambda: 5, "is blank or no text: give") for name in extra()},
}
every_fault = pytest.mark.parametrize(("name", "make", "words"), NOT_ALLOWED.values(), ids=NOT_ALLOWED)


@every_fault
def test_a_field_that_is_not_allowed_is_named_with_what_is(name, make, words):
    with pytest.raises(ValueError, match=re.escape(f"{name} in the connection's Extra {words}")):
        SealingKeys.read(**extra(**{name: make()}))


@every_fault
def test_the_error_of_a_field_tells_no_key(name, make, words):
    given = str(make())

    with pytest.raises(ValueError, match=name) as caught:
        SealingKeys.read(**extra(**{name: make()}))

    assert_tells_none(caught.value, [*SECRETS, *[line for line in given.split("\n") if len(line) > 15]])


def test_an_expired_certificate_is_refused_with_its_date():
    ended = timedelta(days=-3)

    with pytest.raises(ValueError, match="certificate in the connection's Extra expired") as caught:
        SealingKeys.read(**extra(certificate=certificate_pem(PLATFORM_KEY, ended)))

    assert f"expired on {datetime.now(UTC) + ended:%Y-%m-%d}: download the latest" in str(caught.value)


def test_a_certificate_is_good_until_its_last_minute():
    keys = SealingKeys.read(**extra(certificate=certificate_pem(PLATFORM_KEY, timedelta(minutes=1))))

    assert keys.platform_key == PLATFORM_KEY.public_key()


def test_keys_do_not_show_what_they_hold():
    assert repr(KEYS) == f"SealingKeys(sym_key=SymKey(sn='{SYM_KEY.sn}'), certificate_sn='{OURS}')"


def test_an_answer_is_opened():
    body = encrypted()

    assert opened(body, signed(body)) == ANSWER


@pytest.mark.parametrize("spelled", [str.lower, str.upper, str.title])
def test_the_headers_names_are_read_in_any_case(spelled):
    body = encrypted()

    assert opened(body, {spelled(name): value for name, value in signed(body).items()}) == ANSWER


def test_the_headers_may_be_what_requests_gives():
    body = encrypted()

    assert opened(body, CaseInsensitiveDict(signed(body))) == ANSWER


def test_an_encrypted_error_is_an_answer():
    body = encrypted({"errcode": 61503, "errmsg": "data not ready"})

    assert opened(body, signed(body)) == {"errcode": 61503, "errmsg": "data not ready"}


ERROR = b'{ "errcode": 40234, "errmsg": "invalid signature rid: 684a2fb9-71ed0bf0-4715707f" }'
NO_ERRORS = [
    *(
        b'{"list":[]}',
        b'{"errcode":0,"list":[]}',
        b'{"errcode":"0"}',
        b'{"errcode":0.0}',
        b'{"errcode":null}',
    ),
    *(
        b'{"errcode":false}',
        b'{"errcode":-0}',
        b'{"errcode":true}',
        b'{"errcode":"61503"}',
        b'{"errcode":1.0}',
    ),
    *(b'{"errcode":5,"errcode":0}', b"[40001]", b"40001", b"<html></html>", b"", b"\xff\xfe", b"[" * 9999),
]


def test_an_unsigned_error_is_passed_on_as_it_is():
    assert sealer().open(URL, {"Content-Type": "application/json"}, ERROR, PATH) == ERROR


def test_a_signed_error_may_come_unencrypted():
    assert sealer().open(URL, signed(ERROR), ERROR, PATH) == ERROR


@pytest.mark.parametrize("body", [encrypted(), *NO_ERRORS])
def test_whatever_else_is_unsigned_is_refused(body):
    error = refusal(body, {"Wechatmp-Appid": APP_ID, "Wechatmp-TimeStamp": str(NOW), "Wechatmp-Serial": OURS})

    assert str(error).startswith(f"from {PATH}: an unsigned answer. What to do: see whether API security is")


@pytest.mark.parametrize("body", NO_ERRORS)
def test_whatever_else_is_signed_and_not_encrypted_is_refused(body):
    assert refusal(body, signed(body)).errmsg == "an answer that is signed but not encrypted"


@pytest.mark.parametrize("part", ["iv", "data", "authtag"])
def test_an_answer_without_one_of_its_parts_is_refused(part):
    body = json.dumps({name: text for name, text in json.loads(encrypted()).items() if name != part}).encode()

    assert refusal(body, signed(body)).errmsg == "an answer that is signed but not encrypted"


NOT_RIGHT = "the answer's signature is not right"


def test_a_change_of_any_byte_is_noticed():
    body = encrypted()
    said = signed(body)

    assert {refusal(changed, said).errmsg for changed in flipped(body)} == {NOT_RIGHT}


def test_a_change_of_the_signature_is_noticed():
    body = encrypted()
    signature = base64.b64decode(signed(body)["Wechatmp-Signature"])

    changed = [base64.b64encode(other).decode() for other in flipped(signature)]

    assert {refusal(body, signed(body, Signature=other)).errmsg for other in changed} == {NOT_RIGHT}


@pytest.mark.parametrize("signature", ["", "AAAA", "no base64", "签名"])
def test_what_is_no_signature_is_refused(signature):
    body = encrypted()

    assert refusal(body, signed(body, Signature=signature)).errmsg == NOT_RIGHT


@pytest.mark.parametrize("serial", [OURS, LATER], ids=["the old certificate", "the later certificate"])
def test_an_answer_without_the_signature_of_our_certificate_is_refused(serial):
    body = encrypted()
    said = changing(body)
    del said["Wechatmp-Signature-Deprecated" if serial == OURS else "Wechatmp-Signature"]

    with pytest.raises(CheckAnswerError, match=NOT_RIGHT):
        sealer(replace(KEYS, certificate_sn=serial)).open(URL, said, body, PATH)


def test_the_signature_of_the_old_certificate_is_enough():
    body = encrypted()
    said = changing(body)
    del said["Wechatmp-Signature"]

    assert opened(body, said) == ANSWER


@pytest.mark.parametrize("name", ["forged", "another app", "no number"])
def test_what_may_have_been_changed_on_its_way_says_what_to_look_at(name):
    advice = refusal(*REFUSED[name](encrypted())).advice

    assert advice.startswith("see whether a proxy or gateway changes the answer")


def test_another_keys_signature_is_refused():
    body = encrypted()

    assert refusal(body, signed(body, key=OTHER_KEY)).errmsg == NOT_RIGHT


@pytest.mark.parametrize(
    "stamp",
    [replace(STAMP, url=URL + "x"), replace(STAMP, timestamp=NOW + 1), replace(STAMP, app_id="wx0")],
    ids=["URL", "timestamp", "app"],
)
def test_an_answer_to_another_call_is_refused(stamp):
    body = encrypted(stamp=stamp)
    signature = signed(body, stamp)["Wechatmp-Signature"]

    assert refusal(body, signed(body, Signature=signature)).errmsg == NOT_RIGHT


@pytest.mark.parametrize("part", ["iv", "data", "authtag"])
def test_a_part_that_was_changed_before_it_was_signed_cannot_be_decrypted(part):
    sealed = json.loads(encrypted())
    parts = [base64.b64encode(changed).decode() for changed in flipped(base64.b64decode(sealed[part]))]

    bodies = [json.dumps(sealed | {part: changed}).encode() for changed in parts]

    assert {refusal(body, signed(body)).errmsg for body in bodies} == {"the answer cannot be decrypted"}


@pytest.mark.parametrize("value", ["", "no base64", "密文", 5, None, [], "AAAA"])
@pytest.mark.parametrize("part", ["iv", "data", "authtag"])
def test_a_part_that_is_none_cannot_be_decrypted(part, value):
    body = json.dumps(json.loads(encrypted()) | {part: value}).encode()

    assert refusal(body, signed(body)).errmsg == "the answer cannot be decrypted"


def test_the_authtag_has_sixteen_bytes():
    sealed = {name: base64.b64decode(text) for name, text in json.loads(encrypted()).items()}
    moved = sealed | {"data": sealed["data"][:-1], "authtag": sealed["data"][-1:] + sealed["authtag"]}
    body = json.dumps({name: base64.b64encode(data).decode() for name, data in moved.items()}).encode()

    assert refusal(body, signed(body)).errmsg == "the answer cannot be decrypted"


@pytest.mark.parametrize("key", [OTHER_SYM_KEY, replace(SYM_KEY, sn="5f" * 16)], ids=["key", "serial"])
def test_an_answer_encrypted_with_another_key_is_refused_with_what_to_look_at(key):
    body = encrypted(key=key)

    error = refusal(body, signed(body))

    assert error.errmsg == "the answer cannot be decrypted"
    assert (
        error.advice
        == "see whether sym_key and sym_sn in the connection's Extra are those that WeChat's console shows"
    )


def test_an_encrypted_text_that_is_no_object_is_refused():
    text = AESGCM(SYM_KEY.key).encrypt(bytes(12), b'["a list"]', STAMP.associated_data(SYM_KEY.sn))
    parts = {"iv": bytes(12), "data": text[:-16], "authtag": text[-16:]}
    body = json.dumps({name: base64.b64encode(part).decode() for name, part in parts.items()}).encode()

    error = refusal(body, signed(body))

    assert (error.errmsg, error.path) == ("the encrypted answer is not a JSON object", PATH)


@pytest.mark.parametrize("app_id", ["wx0123456789abcdef", None])
def test_an_answer_encrypted_for_another_app_is_refused(app_id):
    body = encrypted(ANSWER | {"_appid": app_id})

    errmsg = refusal(body, signed(body)).errmsg

    assert errmsg == f"the encrypted answer is for the app {app_id!r}, not for {APP_ID}"


@pytest.mark.parametrize("timestamp", [NOW - 1, NOW + 1, str(NOW), None])
def test_an_answer_encrypted_at_another_moment_is_refused(timestamp):
    body = encrypted(ANSWER | {"_timestamp": timestamp})

    errmsg = refusal(body, signed(body)).errmsg

    assert errmsg == f"the encrypted answer is of {timestamp!r}, its headers of {NOW}"


@pytest.mark.parametrize("app_id", ["wx0123456789abcdef", "", None])
def test_an_answer_for_another_app_is_refused(app_id):
    body = encrypted()

    errmsg = refusal(body, signed(body, Appid=app_id)).errmsg

    assert errmsg == f"an answer for the app {app_id!r}, not for {APP_ID}"


@pytest.mark.parametrize("timestamp", ["", "soon", "-1", "1635927954.0", "１６３５９２７９５４", "1" * 5000])
def test_a_timestamp_that_is_no_number_is_refused(timestamp):
    body = encrypted()

    errmsg = refusal(body, signed(body, TimeStamp=timestamp)).errmsg

    assert errmsg == f"Wechatmp-TimeStamp is {timestamp!r:.80}, not a number of seconds"


def test_an_answer_without_a_timestamp_is_refused():
    body = encrypted()

    assert "Wechatmp-TimeStamp is ''" in refusal(body, signed(body, TimeStamp=None)).errmsg


@pytest.mark.parametrize("apart", [-300, 300])
def test_the_clocks_may_be_five_minutes_apart(apart):
    body = encrypted()

    assert opened(body, signed(body), now=NOW + apart) == ANSWER


@pytest.mark.parametrize(
    ("now", "where"), [(NOW - 301, "301 seconds ahead of"), (NOW + 3600.5, "3600 seconds behind")]
)
def test_clocks_further_apart_are_told_with_how_far_and_what_to_do(now, where):
    body = encrypted()

    assert str(refusal(body, signed(body), now=now)) == (
        f"from {PATH}: WeChat's clock is {where} this machine's, allowed are 300. What to do: "
        "synchronise this machine's clock (NTP); if it is right, see whether a proxy or gateway "
        "sends old answers."
    )


def test_while_certificates_change_the_old_one_is_good():
    body = encrypted()

    assert opened(body, changing(body)) == ANSWER


def test_while_certificates_change_the_later_one_is_good_without_a_warning(caplog):
    body = encrypted()
    keys = replace(KEYS, platform_key=OTHER_KEY.public_key(), certificate_sn=LATER)

    answer = sealer(keys).open(URL, changing(body), body, PATH)

    assert json.loads(answer) == ANSWER
    assert caplog.text == ""


def test_an_old_certificate_is_warned_of_once(caplog):
    body = encrypted()
    opening = sealer()

    for _ in range(2):
        opening.open(URL, changing(body), body, PATH)

    (record,) = caplog.records
    assert (record.levelname, record.name) == ("WARNING", "airflow_wechat.client.sealing")
    assert record.getMessage().startswith(
        f"WeChat's platform certificate {OURS} ends soon, '{LATER}' takes its place: download the latest"
    )


def test_a_forged_change_of_certificates_warns_of_nothing(caplog):
    body = encrypted()

    refusal(body, changing(body) | {"Wechatmp-Signature-Deprecated": sign(OTHER_KEY, STAMP.lines(body))})

    assert caplog.text == ""


def test_the_signature_of_the_later_certificate_is_none_of_the_old():
    body = encrypted()
    said = changing(body)
    said["Wechatmp-Signature-Deprecated"] = said["Wechatmp-Signature"]

    assert refusal(body, said).errmsg == NOT_RIGHT


def test_an_answer_signed_with_a_certificate_we_lack_says_which_and_what_to_do():
    body = encrypted()

    assert str(refusal(body, signed(body, Serial=LATER))) == (
        f"from {PATH}: WeChat signed with the certificate '{LATER}', the connection has '{OURS}'. "
        "What to do: download the latest platform certificate in WeChat's console and put it into the "
        "connection's Extra, with the serial number that the console shows (the one inside "
        "the certificate is another)."
    )


def test_an_answer_without_a_serial_number_is_refused():
    body = encrypted()

    assert "with the certificate None, the connection has" in refusal(body, signed(body, Serial=None)).errmsg


REFUSED: dict[str, Callable[[bytes], tuple[bytes, dict[str, str]]]] = {
    "unsigned": lambda body: (body, {}),
    "forged": lambda body: (body, signed(body, key=OTHER_KEY)),
    "another app": lambda body: (body, signed(body, Appid="wx0")),
    "another certificate": lambda body: (body, signed(body, Serial=LATER)),
    "no number": lambda body: (body, signed(body, TimeStamp="soon")),
    "old": lambda _: (old := encrypted(stamp=OLD), signed(old, OLD)),
    "undecryptable": lambda _: (other := encrypted(key=OTHER_SYM_KEY), signed(other)),
    "not encrypted": lambda _: (plain := json.dumps(ANSWER).encode(), signed(plain)),
    "another app inside": lambda _: (other := encrypted(ANSWER | {"_appid": "wx0"}), signed(other)),
    "another moment inside": lambda _: (other := encrypted(ANSWER | {"_timestamp": 0}), signed(other)),
}
every_refusal = pytest.mark.parametrize("make", REFUSED.values(), ids=REFUSED)


@every_refusal
def test_a_refusal_tells_neither_a_key_nor_the_answer(make):
    body, said = make(encrypted())

    assert_tells_none(refusal(body, said), [*SECRETS, "492.3333", body.decode()])


@every_refusal
def test_a_refusal_survives_pickling(make):
    error = refusal(*make(encrypted()))

    again = pickle.loads(pickle.dumps(error))

    assert (type(again), str(again), again.path) == (CheckAnswerError, str(error), PATH)

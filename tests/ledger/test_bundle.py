"""The evidence bundle: whole, it says what it proves; whatever is changed in it, the claim that broke is named."""

import base64
import hashlib
import json
import random
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.ledger.bundle import Contents, NothingToShow, build, recorded
from apps.ledger.chain import append
from apps.ledger.checkpoints import NotSigned, write
from apps.ledger.keys import SigningKey, signed
from apps.ledger.kinds import declare
from apps.ledger.models import Entry
from apps.ledger.offline import verify as verifier
from apps.ledger.offline.verify import LOG, Bundle, Held, Note, Report, pack, unpack
from tests.ledger.conftest import Witnesses
from tests.ledger.test_chain import note

declare("test.signed", "Signed", "{actor} signed as {slot}.")
SUBJECT = "programme/1/first"
PIN = b'{"content":{"weeks":1},"digest":"%b","files":{}}'
PINNED = hashlib.sha256(b'{"weeks":1}').hexdigest()
ATTACHED = hashlib.sha256(b"a picture").hexdigest()
Files = dict[str, bytes]


def text64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def assertion(statement: bytes) -> dict[str, Any]:
    """What a browser and an authenticator make when a person signs with a passkey."""
    private = ec.generate_private_key(ec.SECP256R1())
    numbers = private.public_key().public_numbers()
    key = b"\xa5\x01\x02\x03\x26\x20\x01\x21\x58\x20%b\x22\x58\x20%b" % (numbers.x.to_bytes(32), numbers.y.to_bytes(32))
    client = {
        "type": "webauthn.get",
        "challenge": text64(hashlib.sha256(statement).digest()),
        "origin": "https://ops.test",
    }
    said = json.dumps(client | {"crossOrigin": False}).encode()
    data = hashlib.sha256(b"ops.test").digest() + b"\x05\x00\x00\x00\x07"
    signature = private.sign(data + hashlib.sha256(said).digest(), ec.ECDSA(hashes.SHA256()))
    parts = {
        "credential_id": b"id",
        "public_key": key,
        "authenticator_data": data,
        "client_data": said,
        "signature": signature,
    }
    return {"rp_id": "ops.test", "origin": "https://ops.test"} | {name: text64(part) for name, part in parts.items()}


def signature(signer: str, *, passkey: bool, change: Callable[[dict[str, Any]], object] = dict) -> None:
    """Record a signature; `change`: what is not as it should be in the passkey's assertion when it is recorded."""
    said = json.dumps({"covered": {"playbook": PINNED}, "signer": signer}).encode()
    made = assertion(said) if passkey else None
    if made:
        change(made)
    body = {
        "slot": "DBA",
        "decision": "approve",
        "method": "passkey" if passkey else "password",
        "statement": said.decode(),
        "digest": hashlib.sha256(said).hexdigest(),
        "passkey": made,
    }
    with transaction.atomic():
        append(kind="test.signed", subject=f"{SUBJECT}/dba", actor=signer, body=body, tier="lab")


def bundled(contents: Contents) -> bytes:
    """The bundle's bytes."""
    with build(contents, recorded(contents.subject)) as file:
        return file.read()


@pytest.fixture
def data(db: None, witness: Witnesses) -> bytes:
    """A bundle with everything in it: entries before and between that are none of its business, both kinds of signature."""
    note("before", subject="programme/2")
    note(PINNED, subject="programme/1")
    for number in range(4):
        note(number, subject=f"{SUBJECT}/{number}")
        note("between", subject="programme/2/other")
    note(ATTACHED, subject=SUBJECT)
    signature("ann", passkey=True)
    write()
    witness.look()
    signature("bob", passkey=False)
    write()
    contents = Contents(
        "First week",
        SUBJECT,
        pin=PIN % PINNED.encode(),
        pin_digest=PINNED,
        attachments={f"{ATTACHED}.png": b"a picture"},
    )
    return bundled(contents)


@pytest.fixture
def held(witness: Witnesses) -> Held:
    """What an auditor got from elsewhere than the bundle."""
    return Held(witness.ledger, witness.key.public)


def test_a_whole_bundle_says_what_it_proves_and_what_it_cannot(data: bytes, held: Held) -> None:
    report = Bundle(data, held).verify()
    assert report.broken == []
    proved, unproved = " ".join(report.proved), " ".join(report.unproved)
    assert "7 entries are exactly as they were recorded" not in proved  # eight: the programme's own start is among them
    assert "8 entries are exactly as they were recorded" in proved
    assert "ann signed as DBA. (entry 12): made with a passkey over exactly this statement" in proved
    assert "witnessed by witness.test" in proved
    assert "bob signed as DBA. (entry 13): server-attested" in unproved
    assert "Entries from 13 on are newer than what the witness saw" in unproved
    assert "The ledger's key is the one you gave" in proved
    assert "no --ledger-key was given" in " ".join(Bundle(data).verify().unproved)


def unknown_algorithm(made: dict[str, Any]) -> None:
    """ES384, which signs nothing in this portal."""
    key = base64.urlsafe_b64decode(made["public_key"] + "==")
    made["public_key"] = text64(key.replace(b"\x03\x26", b"\x03\x38\x22", 1))


def by_another_key(made: dict[str, Any]) -> None:
    made["signature"] = assertion(b"something else")["signature"]


def test_behind_a_signature_that_cannot_be_checked_the_others_are(db: None, witness: Witnesses, held: Held) -> None:
    signature("ann", passkey=True, change=unknown_algorithm)
    signature("bob", passkey=True)
    write()
    report = Bundle(bundled(Contents("First week", SUBJECT)), held).verify()
    assert report.broken == []
    assert any("ann" in said and "algorithm, -35, is not known here" in said for said in report.unproved)
    assert not any("ann" in said and "made with a passkey over" in said for said in report.proved)
    assert any("bob" in said and "made with a passkey over exactly this statement" in said for said in report.proved)
    signature("eve", passkey=True, change=by_another_key)
    write()
    report = Bundle(bundled(Contents("First week", SUBJECT)), held).verify()
    assert any("entry 3: the passkey's signature is wrong" in said for said in report.broken)


def test_the_same_ledger_gives_the_same_bytes(data: bytes) -> None:
    pin = {"pin": PIN % PINNED.encode(), "pin_digest": PINNED, "attachments": {f"{ATTACHED}.png": b"a picture"}}
    assert bundled(Contents("First week", SUBJECT, **pin)) == data  # type: ignore[arg-type]


def test_it_verifies_without_the_portal(data: bytes, held: Held, tmp_path: Path) -> None:
    (tmp_path / "bundle.zip").write_bytes(data)
    (tmp_path / "verify.py").write_bytes(unpack(data)["verify.py"])
    argv = [sys.executable, "-I", "verify.py", "bundle.zip", "--ledger-key", str(held.ledger_key)]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Nothing in this bundle is broken." in done.stdout
    (tmp_path / "bundle.zip").write_bytes(data.replace(b"between", b"altered").replace(b"a picture", b"b picture"))
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "is not the file that was attached" in done.stdout


def replaced_page(data: bytes) -> bytes:
    """A forged page, and a manifest that has its digest but not the ledger's signature over it."""
    files = unpack(data)
    forged = files["index.html"].replace(b"<h1", b"<p>All of it was approved.</p><h1", 1)
    assert forged != files["index.html"]
    old, new = (hashlib.sha256(page).hexdigest().encode() for page in (files["index.html"], forged))
    return pack(files | {"index.html": forged, "manifest.txt": files["manifest.txt"].replace(old, new)})


@pytest.mark.parametrize(
    ("change", "without", "verdict"),
    [
        (bytes, True, (3, "Nothing was proved about who wrote this bundle")),
        (replaced_page, True, (3, "Nothing was proved about who wrote this bundle")),
        (replaced_page, False, (1, "This bundle is broken. Do not rely on it.")),
        (lambda data: data.replace(b"a picture", b"b picture"), True, (1, "This bundle is broken. Do not rely on it.")),
    ],
)
def test_without_the_means_to_check_signatures_nothing_is_said_of_who_wrote_it(
    data: bytes, held: Held, tmp_path: Path, change: Callable[[bytes], bytes], without: bool, verdict: tuple[int, str]
) -> None:
    (tmp_path / "bundle.zip").write_bytes(change(data))
    (tmp_path / "verify.py").write_bytes(unpack(data)["verify.py"])
    given = ["verify.py", "bundle.zip", "--ledger-key", str(held.ledger_key)]
    argv = [sys.executable, "-I", *(["-S"] if without else []), *given]  # -S: no packages
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (verdict[0], "")
    assert done.stdout.splitlines()[-1].startswith(verdict[1])
    assert "as the portal writes it" not in done.stdout.replace("laid out as the portal writes it", "")
    assert without == ("The checkpoint: the package cryptography is not installed" in done.stdout)


def test_nothing_recorded_and_nothing_signable_make_no_bundle(db: None, witness: Witnesses, settings: Any) -> None:
    with pytest.raises(NothingToShow):
        bundled(Contents("Nothing", "nothing/at/all"))
    note("x", subject=SUBJECT)
    settings.LEDGER_KEY = ""
    with pytest.raises(NotSigned):
        bundled(Contents("First week", SUBJECT))


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_any_flipped_bit_is_named(data: bytes, place: float, bit: int) -> None:
    changed = bytearray(data)
    changed[int(place * len(data))] ^= 1 << bit
    assert Bundle(bytes(changed)).verify().broken, f"byte {int(place * len(data))}"


@pytest.mark.parametrize("seed", range(4))
def test_whatever_is_cut_out_doubled_or_put_in_is_named(data: bytes, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311
    for _time in range(10):
        start, end = sorted(chance.sample(range(len(data)), 2))
        for changed in (data[:start] + data[end:], data[:end] + data[start:], data + b"\0", data[:start]):
            assert Bundle(changed).verify().broken


def repacked(data: bytes, change: Callable[[Files], object], resign: SigningKey | None = None) -> Report:
    """A forger unpacks, changes, and packs again so that ZIP, twin and manifest fit; the manifest is signed with their own key."""
    files = unpack(data)
    change(files)
    files["index.html"] = re.sub(
        verifier.SAID_IN,
        lambda found: found[0].replace(
            found[1],
            json.dumps(
                {
                    n: base64.b64encode(d).decode()
                    for n, d in sorted(files.items())
                    if n not in {"index.html", "verify.py", "manifest.txt"} and not n.startswith("attachments/")
                }
            ).encode(),
        ),
        files["index.html"],
    )
    listed = [f"{hashlib.sha256(files[n]).hexdigest()}  {n}" for n in sorted(files) if n != "manifest.txt"]
    subject = json.loads(files["about.json"])["subject"]
    text = "\n".join([verifier.FORMAT, subject, *listed]) + "\n"
    key = resign or SigningKey.make("portal.test/ledger", LOG)
    files["manifest.txt"] = signed(text, key.sign(text)).encode()
    return Bundle(pack(files)).verify()


def lines(change: Callable[[list[dict[str, Any]]], object]) -> Callable[[Files], None]:
    """A change of the entries, as a forger would make it who does not care for anything else."""

    def changed(files: Files) -> None:
        entries = [json.loads(line) for line in files["entries.jsonl"].decode().splitlines()]
        change(entries)
        files["entries.jsonl"] = b"".join(json.dumps(entry).encode() + b"\n" for entry in entries)

    return changed


def member(name: str, old: bytes, new: bytes) -> Callable[[Files], None]:
    def changed(files: Files) -> None:
        found = next(n for n in files if n.startswith(name))
        assert old in files[found]
        files[found] = files[found].replace(old, new, 1)

    return changed


def rehash(entries: list[dict[str, Any]]) -> None:
    entries[2]["actor"] = "eve"
    entries[2]["hash"] = verifier.leaf_hash(verifier.exact(entries[2])).hex()


def drop_signature(files: Files) -> None:
    files["signatures.json"] = json.dumps(json.loads(files["signatures.json"])[1:]).encode()


def swap_key(files: Files) -> None:
    keys = json.loads(files["keys.json"])
    keys["ledger"] = str(SigningKey.make("portal.test/ledger", LOG).public)
    files["keys.json"] = json.dumps(keys).encode()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lines(lambda e: e[2].update(actor="eve")), "entry 5 is not what was hashed"),
        (lines(lambda e: e[2].update(body=e[2]["body"] + " ")), "entry 5 is not what was hashed"),
        (lines(rehash), "entry 5 is not in the ledger under this checkpoint"),
        (lines(lambda e: e.pop(2)), "one was dropped or added"),
        (lines(lambda e: e.insert(2, e[2])), "entry 5 stands after entry 5: one was doubled or moved"),
        (lines(lambda e: e.reverse()), "doubled or moved"),
        (member("proofs.json", b'"5"', b'"6"'), "entry 5 has no inclusion path"),
        (member("checkpoint.txt", b"\n13\n", b"\n14\n"), "the signature of portal.test/ledger is wrong"),
        (member("witnessed.txt", b"\n12\n", b"\n11\n"), "the signature of portal.test/ledger is wrong"),
        (member("consistency.json", b'"', b'"00'), "does not continue the one of 12 that was witnessed"),
        (swap_key, "it bears no signature of portal.test/ledger"),
        (member("statements/", b"signer", b"singer"), "is not the one that was signed"),
        (drop_signature, "one was dropped, doubled or added"),
        (member("signatures.json", b'"ann"', b'"eve"'), "is not as it was recorded"),
        (member("pin.json", b'"weeks":1', b'"weeks":2'), "the playbook is not the one that was pinned"),
        (member("attachments/", b"a picture", b"b picture"), "is not the file that was attached"),
        (member("verify.py", b"return report.status", b"return 0"), "The manifest"),
        (lambda files: files.pop("verify.py"), "verify.py is missing"),
        (lambda files: files.update({"statements/more.json": b"{}"}), "statements that no signature is over"),
        (lambda files: files.update({"extra.txt": b"x"}), "The manifest"),
    ],
)  # fmt: skip
def test_what_a_forger_changes_and_packs_again_is_named(
    data: bytes, change: Callable[[Files], object], named: str
) -> None:
    report = repacked(data, change)
    assert any(named in sentence for sentence in report.broken), report.broken


def test_a_passkeys_signature_over_something_else_is_named_even_if_the_portal_recorded_it(
    db: None, witness: Witnesses
) -> None:
    said = b'{"covered":{}}'
    made = assertion(b"something else")
    body = {"slot": "DBA", "statement": said.decode(), "digest": hashlib.sha256(said).hexdigest(), "passkey": made}
    with transaction.atomic():
        append(kind="test.signed", subject=SUBJECT, actor="ann", body=body)
    write()
    report = Bundle(bundled(Contents("First week", SUBJECT))).verify()
    assert report.broken == [
        "The signatures: the signature of entry 1: the passkey signed something else than this statement."
    ]


def test_a_bundle_made_whole_by_somebody_else_is_found_by_the_key_you_hold(
    data: bytes, held: Held, witness: Witnesses
) -> None:
    thief = SigningKey.make("portal.test/ledger", LOG)

    def everything(files: Files) -> None:
        files["checkpoint.txt"] = signed(text := Note.parse(files["checkpoint.txt"]).text, thief.sign(text)).encode()
        files["keys.json"] = json.dumps({"ledger": str(thief.public), "witness": None}).encode()
        del files["witnessed.txt"]

    assert repacked(data, everything, thief).broken == []
    files = unpack(data)
    everything(files)
    assert "it was swapped" in " ".join(Bundle(pack(files), held).verify().broken)


def test_a_checkpoint_kept_elsewhere_names_an_old_dump_and_a_rewriting(
    data: bytes, held: Held, witness: Witnesses, settings: Any
) -> None:
    key = SigningKey.parse(settings.LEDGER_KEY, LOG)

    def kept(size: int, root: bytes, at: int) -> list[str]:
        text = str(verifier.Checkpoint("portal.test/ledger", size, root, at))
        report = Bundle(data, Held(held.ledger_key, None, signed(text, key.sign(text)).encode())).verify()
        return report.broken + report.unproved

    made = verifier.Checkpoint.parse(Note.parse(unpack(data)["checkpoint.txt"]).text)
    assert not any("Your own checkpoint" in told for told in kept(made.size, made.root, made.time))
    assert any("it was rewritten" in told for told in kept(made.size, b"\x01" * 32, made.time))
    assert any("an old dump was restored" in told for told in kept(made.size + 9, b"\x01" * 32, made.time - 60))
    assert any("of another size" in told for told in kept(made.size + 9, b"\x01" * 32, made.time + 60))
    assert Entry.objects.count() == made.size

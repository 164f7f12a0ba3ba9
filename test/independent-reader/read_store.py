#!/usr/bin/env python3
"""Reads a store of format version 1 and prints all of it as JSON.

Written from docs/format.md alone, and sharing no code with the library: what this program can read, the page describes.

    read_store.py <copy of a store> (--passphrase-file <file> | --raw-key-file <file>) [--checkpoint <token>]

The passphrase is the whole file, as UTF-8; the raw key is a file of 32 bytes. LevelDB writes when it opens, so give it a copy. Exit code 0: everything was
read and authenticated; 1: something was rejected; 2: wrong key. Debian: python3-plyvel python3-nacl.
"""
import argparse
import base64
import hashlib
import hmac
import json
import os
import re
import sys
import unicodedata

import nacl.exceptions
import nacl.pwhash
import plyvel
from nacl.bindings import crypto_aead_xchacha20poly1305_ietf_decrypt

VERSION = 1
MAX_INTEGER = 2**53 - 1


class Rejected(Exception):
    pass


class WrongKey(Exception):
    pass


def check(condition, message):
    if not condition:
        raise Rejected(message)


# §1: primitives and notation


def from_base64url(text, length):
    check(isinstance(text, str) and re.fullmatch(r"[A-Za-z0-9_-]*", text), "base64url: other characters")
    check(len(text) % 4 != 1, "base64url: impossible length")
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    check(base64.urlsafe_b64encode(data).rstrip(b"=").decode() == text, "base64url: not canonical")
    check(len(data) == length, f"base64url: expected {length} bytes, got {len(data)}")
    return data


def hmac_sha256(key, message):
    return hmac.new(key, message, hashlib.sha256).digest()


def hkdf(key, label, context):
    """Extract without salt, expand to 32 bytes: one block (§3.2)."""
    info = b"secret-store/v1/" + label.encode() + b"\0" + context
    extracted = hmac_sha256(bytes(32), key)
    return hmac_sha256(extracted, info + b"\x01")


def aead_open(key, sealed, aad):
    """nonce ‖ ciphertext ‖ tag; None if it does not open."""
    if len(sealed) < 24 + 16:
        return None
    try:
        return crypto_aead_xchacha20poly1305_ietf_decrypt(sealed[24:], aad, sealed[:24], key)
    except nacl.exceptions.CryptoError:
        return None


def unsigned(value, length):
    return value.to_bytes(length, "big")


def is_integer(value, least, most=MAX_INTEGER):
    return type(value) is int and least <= value <= most


# §3: keyring.json


def unique_fields(pairs):
    fields = dict(pairs)
    check(len(fields) == len(pairs), "keyring.json: a name stands twice in an object")
    return fields


def check_fields(value, names):
    check(type(value) is dict and set(value) == set(names), f"keyring.json: expected the fields {names}")


ENDING = re.compile(
    rb'(?s)\A(.+),\n  "sha256": "([A-Za-z0-9_-]{43})",\n  "mac": "([A-Za-z0-9_-]{43})"\n\}\n\Z',
)


def parse_keyring(data):
    check(len(data) <= 262144, "keyring.json: too long")
    ending = ENDING.match(data)
    if ending is None:
        try:
            parsed = json.loads(data)
        except ValueError:
            parsed = None
        if type(parsed) is dict and parsed.get("format") == "secret-store" and type(parsed.get("version")) is int:
            check(parsed["version"] == VERSION, f"version: {parsed['version']} is not known")
        raise Rejected("keyring.json: another ending")
    body, checksum, mac = ending.groups()
    check(hashlib.sha256(body).digest() == from_base64url(checksum.decode(), 32), "keyring.json: wrong checksum")
    authenticated = data[: ending.end(2) + 1]
    try:
        fields = json.loads((body + b"}").decode("utf-8"), object_pairs_hook=unique_fields)
    except ValueError as error:
        raise Rejected("keyring.json: not JSON in UTF-8") from error
    check(type(fields) is dict and type(fields.get("version")) is int, "keyring.json: no version")
    check(fields["version"] == VERSION, f"version: {fields['version']} is not known")
    check_fields(fields, ["format", "version", "store", "created", "names", "slots", "keys", "indexKey"])
    check(fields["format"] == "secret-store", "keyring.json: another format")
    check(fields["names"] in ("plain", "sealed"), "keyring.json: unknown names")
    check(is_integer(fields["created"], 0), "keyring.json: created")
    slots, keys = fields["slots"], fields["keys"]
    check(type(slots) is list and 1 <= len(slots) <= 32, "keyring.json: slots")
    check(type(keys) is list and 1 <= len(keys) <= 1024, "keyring.json: keys")
    for slot in slots:
        check_fields(slot, ["id", "kind", "label", "created", "params"])
        slot["id"] = from_base64url(slot["id"], 8)
        check(type(slot["kind"]) is str and re.fullmatch(r"[a-z][a-z0-9-]{0,63}", slot["kind"]), "slot: kind")
        check(slot["label"] is None or type(slot["label"]) is str, "slot: label")
        check(is_integer(slot["created"], 0), "slot: created")
        check(type(slot["params"]) is dict, "slot: params")
        for value in slot["params"].values():
            check(type(value) is str or is_integer(value, -MAX_INTEGER), "slot: params")
    for key in keys:
        check_fields(key, ["id", "created", "wrapped"])
        check(is_integer(key["id"], 1, 2**32 - 1), "key: id")
        check(is_integer(key["created"], 0), "key: created")
        key["wrapped"] = from_base64url(key["wrapped"], 72)
    check(len({slot["id"] for slot in slots}) == len(slots), "slots: one id twice")
    check(len({key["id"] for key in keys}) == len(keys), "keys: one id twice")
    fields["store"] = from_base64url(fields["store"], 16)
    fields["indexKey"] = from_base64url(fields["indexKey"], 72)
    return fields, authenticated, from_base64url(mac.decode(), 32)


def stretch(passphrase, params):
    salt = from_base64url(params.get("salt"), 16)
    if params.get("kdf") == "scrypt":
        n, r, p = (params.get(name) for name in "Nrp")
        check(is_integer(n, 16384, 1048576) and n & (n - 1) == 0, "scrypt: N")
        check(is_integer(r, 8, 16) and is_integer(p, 1, 16) and 128 * n * r <= 2**30, "scrypt: r, p")
        memory = 128 * r * (n + p + 2) + 2**20
        return hashlib.scrypt(passphrase, salt=salt, n=n, r=r, p=p, maxmem=memory, dklen=32)
    check(params.get("kdf") == "argon2id", "slot: unknown kdf")
    m, t, p = (params.get(name) for name in "mtp")
    check(is_integer(m, 19456, 1048576) and is_integer(t, 2, 16) and is_integer(p, 1, 1), "argon2id: costs")
    return nacl.pwhash.argon2id.kdf(32, passphrase, salt, opslimit=t, memlimit=m * 1024)


def unlock(slots, store_id, kind, given):
    for slot in slots:
        if slot["kind"] != kind:
            continue
        commitment = from_base64url(slot["params"].get("commitment"), 32)
        wrapped = from_base64url(slot["params"].get("wrapped"), 72)
        secret = stretch(given, slot["params"]) if kind == "passphrase" else given
        context = store_id + slot["id"] + slot["kind"].encode()
        if not hmac.compare_digest(hkdf(secret, "slot-commitment", context), commitment):
            continue
        root_key = aead_open(hkdf(secret, "slot-wrap", context), wrapped, context)
        check(root_key is not None, "slot: the wrapped root key does not open")
        return root_key
    raise WrongKey(f"no slot opens with this {kind}")


class Keys:
    def __init__(self, keyring, root_key):
        self.store_id = keyring["store"]
        wrap = hkdf(root_key, "key-wrap", self.store_id)

        def unwrap(key_id, wrapped):
            key = aead_open(wrap, wrapped, unsigned(VERSION, 1) + self.store_id + unsigned(key_id, 4))
            check(key is not None, f"key {key_id}: does not open")
            return key

        self.masters = {
            key["id"]: hkdf(unwrap(key["id"], key["wrapped"]), "master", self.store_id) for key in keyring["keys"]
        }
        index_key = unwrap(0, keyring["indexKey"])
        self.set_hash = hkdf(index_key, "set-hash", self.store_id)
        self.checkpoint = hkdf(index_key, "checkpoint", self.store_id)
        self.names = hkdf(index_key, "names", self.store_id)

    # §5
    def open_row(self, row_key, value):
        check(len(value) >= 45, "envelope: too short")
        check(value[0] == VERSION, f"envelope: version {value[0]} is not known")
        key_id = int.from_bytes(value[1:5], "big")
        check(key_id in self.masters, f"envelope: no key {key_id}")
        aad = unsigned(VERSION, 1) + self.store_id + unsigned(len(row_key), 4) + row_key
        plaintext = aead_open(self.masters[key_id], value[5:], aad)
        check(plaintext is not None, "envelope: does not open")
        return plaintext

    # §8
    def element(self, row_key, value):
        identity = value[:29] + value[-16:]
        return int.from_bytes(hmac_sha256(self.set_hash, unsigned(len(row_key), 4) + row_key + identity), "big")


# §7.1


def padme_length(length):
    if length < 2:
        return length
    e = length.bit_length() - 1
    s = e.bit_length()
    step = 1 << (e - s) if e > s else 1
    return -(-length // step) * step


def check_padding(plaintext, length):
    check(len(plaintext) == padme_length(length), "padding: another length")
    check(not any(plaintext[length:]), "padding: not zero")


# §4


def escape(text):
    return text.replace("%", "%25").replace("|", "%7C")


def record_row_key(keys, names, record):
    mode = "l" if record["livemode"] else "t"
    scope = record["scope"]
    who = "account" if scope["type"] == "account" else "user:" + escape(scope["user"])
    scope_key = f"r{mode}{escape(record['account'] or '')}|{who}|".encode()
    full = scope_key + record["name"].encode()
    return full if names == "plain" else b"r" + hmac_sha256(keys.names, scope_key) + hmac_sha256(keys.names, full)


# §6


class Fields:
    def __init__(self, data):
        self.data, self.offset = data, 0

    def take(self, length):
        check(self.offset + length <= len(self.data), "record: runs past its end")
        self.offset += length
        return self.data[self.offset - length : self.offset]

    def integer(self, length):
        value = int.from_bytes(self.take(length), "big")
        check(value <= MAX_INTEGER, "record: integer above 2^53 - 1")
        return value

    def text(self):
        return decode_text(self.take(self.integer(2)))


def decode_text(data):
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Rejected("text: not UTF-8") from error


def parse_record(plaintext):
    fields = Fields(plaintext)
    flags = fields.integer(1)
    check(flags <= 63, "record: unknown flags")
    record = {"revision": fields.integer(8), "created": fields.integer(8)}
    record["expires_at"] = fields.integer(8) if flags & 8 else None
    record["id"] = fields.text()
    record["account"] = fields.text() if flags & 2 else None
    record["scope"] = {"type": "user", "user": fields.text()} if flags & 4 else {"type": "account"}
    record["name"] = fields.text()
    record["livemode"] = bool(flags & 1)
    record["type"] = "bytes" if flags & 16 else "text"
    record["length"] = fields.integer(4)
    if flags & 32:
        record["tag"] = fields.take(16)
    else:
        record["payload"] = fields.take(record["length"])
    check_padding(plaintext, fields.offset)
    return record


# §7.2


def read_payload(keys, database, row_key, record):
    if "payload" not in record:
        payload_key = b"p" + row_key[1:]
        value = database.get(payload_key)
        check(value is not None, "payload: its row is missing")
        check(value[-16:] == record["tag"], "payload: not the one its record names")
        plaintext = keys.open_row(payload_key, value)
        check_padding(plaintext, record["length"])
        record["payload"] = plaintext[: record["length"]]
    if record["type"] == "text":
        decode_text(record["payload"])
    return record["payload"]


# §9


def check_checkpoint(keys, head, token):
    data = from_base64url(token, 57)
    check(data[0] == VERSION, "checkpoint: unknown version")
    check(data[1:17] == keys.store_id, "checkpoint: of another store")
    sequence = int.from_bytes(data[17:25], "big")
    check(head["sequence"] >= sequence, "checkpoint: the store is older")
    if head["sequence"] == sequence:
        message = unsigned(sequence, 8) + unsigned(head["count"], 8) + unsigned(head["set_hash"], 32)
        check(hmac.compare_digest(hmac_sha256(keys.checkpoint, message), data[25:]), "checkpoint: other contents")


# §10


def read_store(location, kind, given, checkpoint):
    with open(os.path.join(location, "keyring.json"), "rb") as file:
        keyring, authenticated, mac = parse_keyring(file.read(262145))
    root_key = unlock(keyring["slots"], keyring["store"], kind, given)
    mac_key = hkdf(root_key, "keyring-mac", keyring["store"])
    check(hmac.compare_digest(hmac_sha256(mac_key, authenticated), mac), "keyring.json: altered")
    keys = Keys(keyring, root_key)
    database = plyvel.DB(os.path.join(location, "data"), create_if_missing=False, compression=None)
    try:
        return read_rows(keys, keyring["names"], database, checkpoint)
    finally:
        database.close()


def read_rows(keys, names, database, checkpoint):
    value = database.get(b"h")
    check(value is not None, "head: missing")
    plaintext = keys.open_row(b"h", value)
    check(len(plaintext) == 56, "head: another length")
    sequence, count, superseded = (int.from_bytes(plaintext[at : at + 8], "big") for at in (0, 8, 16))
    check(max(sequence, count, superseded) <= MAX_INTEGER, "head: integer above 2^53 - 1")
    head = {"sequence": sequence, "count": count, "set_hash": int.from_bytes(plaintext[24:], "big")}
    if checkpoint is not None:
        check_checkpoint(keys, head, checkpoint)

    secrets, total, secondary = [], 0, {}
    for row_key, value in database.iterator(prefix=b"r"):
        record = parse_record(keys.open_row(row_key, value))
        check(record_row_key(keys, names, record) == row_key, "record: not at its own address")
        check(1 <= record["revision"] <= sequence, "record: revision after the head")
        total = (total + keys.element(row_key, value)) % 2**256
        secondary[b"i" + record["id"].encode()] = row_key
        if record["expires_at"] is not None:
            secondary[b"x" + unsigned(record["expires_at"], 8) + record["id"].encode()] = row_key
        if "tag" in record:
            secondary[b"p" + row_key[1:]] = None  # compared with its record when it is read
        payload = read_payload(keys, database, row_key, record)
        wanted = ("account", "livemode", "scope", "name", "id", "created", "expires_at", "type")
        secrets.append({**{name: record[name] for name in wanted}, "payload": base64.b64encode(payload).decode()})
    check(len(secrets) == count, f"head: expected {count} records, got {len(secrets)}")
    check(total == head["set_hash"], "head: another set hash")

    ignored = {b"h", b"\x00", b"\xff" * 64}
    for row_key, value in database.iterator():
        if row_key in ignored or row_key[:1] == b"r":
            continue
        check(row_key in secondary, f"row {row_key!r}: stray")
        expected = secondary.pop(row_key)
        check(expected is None or value == expected, f"row {row_key!r}: leads elsewhere")
    check(not secondary, f"rows missing: {list(secondary)}")
    return {"names": names, "sequence": sequence, "secrets": secrets}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("location")
    secret = parser.add_mutually_exclusive_group(required=True)
    secret.add_argument("--passphrase-file")
    secret.add_argument("--raw-key-file")
    parser.add_argument("--checkpoint")
    arguments = parser.parse_args()
    kind = "passphrase" if arguments.passphrase_file else "raw-key"
    with open(arguments.passphrase_file or arguments.raw_key_file, "rb") as file:
        given = file.read()
    if kind == "passphrase":
        given = unicodedata.normalize("NFC", given.decode("utf-8")).encode("utf-8")
    try:
        found = read_store(arguments.location, kind, given, arguments.checkpoint)
    except WrongKey as error:
        print(error, file=sys.stderr)
        return 2
    except Rejected as error:
        print(error, file=sys.stderr)
        return 1
    json.dump(found, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())

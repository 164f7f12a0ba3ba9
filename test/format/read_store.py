#!/usr/bin/env python3
"""Reads a store, or a backup of one, of format version 1, 2 or 3 and prints all of it as JSON, expired secrets too.

Written from docs/format.md alone, and sharing no code with the library: what this program can read, the page describes.

    read_store.py <copy of a store, or a backup>
        (--passphrase-file <file> | --raw-key-file <file> | --recovery-code-file <file>) [--checkpoint <token>]

A directory is a store, a file a backup. The passphrase is the whole file, as UTF-8; the raw key is a file of 32 bytes;
the recovery code is a file of one line. LevelDB writes when it opens, so give it a copy. Exit code 0: everything was
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
from nacl.bindings import crypto_aead_chacha20poly1305_ietf_decrypt, crypto_aead_xchacha20poly1305_ietf_decrypt

VERSION = 1  # of envelopes, additional data and backups
KEYRING_VERSIONS = (1, 2, 3)
KNOWN_FEATURES = ("lineage",)
MAX_KEYRING = 262144
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


def hkdf(key, label, context, version=1):
    """Extract without salt, expand to 32 bytes: one block (§3.2). The version is that of the label."""
    info = f"secret-store/v{version}/{label}".encode() + b"\0" + context
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


def check_version(fields):
    """Says "another version" of one that is not known, and of an unknown feature; else there is no telling yet."""
    version, features = fields.get("version"), fields.get("features")
    if type(version) is not int:
        return
    check(version in KEYRING_VERSIONS, f"version: {version} is not known")
    if version == 3 and type(features) is list and all(is_feature(feature) for feature in features):
        for feature in features:
            check(feature in KNOWN_FEATURES, f"version: feature {feature} is not known")


def is_feature(name):
    return type(name) is str and re.fullmatch(r"[a-z-]{1,32}", name)


def parse_keyring(data):
    check(len(data) <= MAX_KEYRING, "keyring.json: too long")
    ending = ENDING.match(data)
    if ending is None:
        try:
            parsed = json.loads(data)
        except ValueError:
            parsed = None
        if type(parsed) is dict and parsed.get("format") == "secret-store":
            check_version(parsed)
        raise Rejected("keyring.json: another ending")
    body, checksum, mac = ending.groups()
    check(hashlib.sha256(body).digest() == from_base64url(checksum.decode(), 32), "keyring.json: wrong checksum")
    authenticated = data[: ending.end(2) + 1]
    try:
        fields = json.loads((body + b"}").decode("utf-8"), object_pairs_hook=unique_fields)
    except ValueError as error:
        raise Rejected("keyring.json: not JSON in UTF-8") from error
    check(type(fields) is dict and fields.get("format") == "secret-store", "keyring.json: another format")
    check(type(fields.get("version")) is int, "keyring.json: no version")
    check_version(fields)
    replaced = ["generation", "sequence"] if fields["version"] >= 2 else []
    featured = ["features", "ownSums", "lineage"] if fields["version"] == 3 else []
    names = ["format", "version", "store", "created", "names", *replaced, *featured, "slots", "keys", "indexKey"]
    check_fields(fields, names)
    check(fields["names"] in ("plain", "sealed"), "keyring.json: unknown names")
    check(is_integer(fields["created"], 0), "keyring.json: created")
    check(not replaced or is_integer(fields["generation"], 1), "keyring.json: generation")
    check(not replaced or is_integer(fields["sequence"], 0), "keyring.json: sequence")
    fields.setdefault("generation", 0)
    if featured:
        check(fields["features"] == ["lineage"], "keyring.json: features")
        check(is_integer(fields["ownSums"], 2, 2**32 - 1), "keyring.json: ownSums")
        lineage = fields["lineage"] if type(fields["lineage"]) is str else ""
        count = (len(lineage) * 3 // 4 - 24 - 16) // 32
        check(1 <= count <= 256, "keyring.json: lineage")
        fields["lineage"] = from_base64url(lineage, 24 + 32 * count + 16)
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
    ids = [key["id"] for key in keys]
    check(ids == sorted(set(ids)), "keys: one id twice, or not in ascending order")
    fields["store"] = from_base64url(fields["store"], 16)
    fields["indexKey"] = from_base64url(fields["indexKey"], 72)
    fields["mac"] = from_base64url(mac.decode(), 32)
    return fields, authenticated


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


# §3.5: recovery codes, in the bech32m of BIP 350

BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
BECH32M_CHECKSUM = 0x2BC830A3


def bech32_checksum(values):
    checksum = 1
    for value in values:
        top = checksum >> 25
        checksum = (checksum & 0x1FFFFFF) << 5 ^ value
        for i, term in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            checksum ^= term if top >> i & 1 else 0
    return checksum


def parse_recovery_code(text):
    """The 21 bytes of a code as somebody typed it; None if it was mistyped."""
    typed = re.sub(r"[\s-]", "", text).lower().translate(str.maketrans("oi1b", "0ll8"))
    if len(typed) != 40 or not set(typed) <= set(BECH32):
        return None
    prefix, data = b"secretstore", [BECH32.index(character) for character in typed]
    expanded = [byte >> 5 for byte in prefix] + [0] + [byte & 31 for byte in prefix]
    if bech32_checksum(expanded + data) != BECH32M_CHECKSUM:
        return None
    bits = 0
    for value in data[:34]:
        bits = bits << 5 | value
    return None if bits & 3 else unsigned(bits >> 2, 21)


def open_slot(slot, store_id, given):
    """The root key; None if this is not the secret of the slot (§3.3)."""
    commitment = from_base64url(slot["params"].get("commitment"), 32)
    wrapped = from_base64url(slot["params"].get("wrapped"), 72)
    secret = stretch(given, slot["params"]) if slot["kind"] == "passphrase" else given
    context = store_id + slot["id"] + slot["kind"].encode()
    if not hmac.compare_digest(hkdf(secret, "slot-commitment", context), commitment):
        return None
    root_key = aead_open(hkdf(secret, "slot-wrap", context), wrapped, context)
    check(root_key is not None, "slot: the wrapped root key does not open")
    return root_key


def unlock(slots, store_id, kind, given):
    rejected = None
    for slot in slots:
        if slot["kind"] != kind:
            continue
        try:
            root_key = open_slot(slot, store_id, given)
        except Rejected as error:
            rejected = rejected or error
            continue
        if root_key is not None:
            return root_key
    raise rejected or WrongKey(f"no slot opens with this {kind}")


def open_keyring(data, kind, given):
    """§10, steps 2 to 7; the root key is returned as well, for a backup."""
    keyring, authenticated = parse_keyring(data)
    root_key = unlock(keyring["slots"], keyring["store"], kind, given)
    mac_key = hkdf(root_key, "keyring-mac", keyring["store"])
    check(hmac.compare_digest(hmac_sha256(mac_key, authenticated), keyring["mac"]), "keyring.json: altered")
    return keyring, root_key


# §3.8


def lineage_keys(keyring, root_key):
    """The lineage key of each root key, former and present, under its root id."""
    store_id = keyring["store"]
    known = [hkdf(root_key, "root-lineage", store_id, version=3)]
    if keyring["version"] == 3:
        former = aead_open(hkdf(root_key, "wrap-lineage", store_id, version=3), keyring["lineage"], store_id)
        check(former is not None, "lineage: does not open")
        known += [former[offset : offset + 32] for offset in range(0, len(former), 32)]
    return {hkdf(key, "root-id", store_id, version=3): key for key in known}


class Keys:
    def __init__(self, keyring, root_key):
        self.store_id = keyring["store"]
        wrap = hkdf(root_key, "key-wrap", self.store_id)

        def unwrap(key_id, wrapped):
            key = aead_open(wrap, wrapped, unsigned(VERSION, 1) + self.store_id + unsigned(key_id, 4))
            check(key is not None, f"key {key_id}: does not open")
            return key

        data_keys = {key["id"]: unwrap(key["id"], key["wrapped"]) for key in keyring["keys"]}
        self.masters = {key_id: hkdf(key, "master", self.store_id) for key_id, key in data_keys.items()}
        self.own_sums = {
            key_id: hkdf(key, "set-hash", self.store_id, version=3)
            for key_id, key in data_keys.items()
            if keyring["version"] == 3 and key_id >= keyring["ownSums"]
        }
        self.lineage = lineage_keys(keyring, root_key)
        index_key = unwrap(0, keyring["indexKey"])
        self.set_hash = hkdf(index_key, "set-hash", self.store_id)
        self.checkpoint = hkdf(index_key, "checkpoint", self.store_id)
        self.names = hkdf(index_key, "names", self.store_id)

    # §5
    def open_row(self, row_key, value):
        check(len(value) >= 45, "envelope: too short")
        check(value[0] == VERSION, f"envelope: version {value[0]} is not known")
        key_id = sealing_key(value)
        check(key_id in self.masters, f"envelope: no key {key_id}")
        aad = unsigned(VERSION, 1) + self.store_id + unsigned(len(row_key), 4) + row_key
        plaintext = aead_open(self.masters[key_id], value[5:], aad)
        check(plaintext is not None, "envelope: does not open")
        return plaintext

    # §8
    def element(self, row_key, value):
        identity = value[:29] + value[-16:]
        key = self.own_sums.get(sealing_key(value), self.set_hash)
        return int.from_bytes(hmac_sha256(key, unsigned(len(row_key), 4) + row_key + identity), "big")


def sealing_key(value):
    """The id of the data key that an envelope names."""
    return int.from_bytes(value[1:5], "big")


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
    def __init__(self, data, what):
        self.data, self.what, self.offset = data, what, 0

    def take(self, length):
        check(self.offset + length <= len(self.data), f"{self.what}: runs past its end")
        self.offset += length
        return self.data[self.offset - length : self.offset]

    def integer(self, length, most=MAX_INTEGER):
        value = int.from_bytes(self.take(length), "big")
        check(value <= most, f"{self.what}: integer above {most}")
        return value

    def text(self):
        return decode_text(self.take(self.integer(2)))


def decode_text(data):
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Rejected("text: not UTF-8") from error


def parse_record(plaintext):
    fields = Fields(plaintext, "record")
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


# §8


def parse_head(plaintext):
    check(len(plaintext) == 56 or len(plaintext) >= 96, "head: another length")
    fields = Fields(plaintext, "head")
    head = {"sequence": fields.integer(8), "count": fields.integer(8), "superseded": fields.integer(8)}
    head["set_hash"] = int.from_bytes(fields.take(32), "big")
    head["generation"] = 0
    if len(plaintext) > 56:
        head["generation"], head["mac"] = fields.integer(8), fields.take(32)
        check(head["generation"] >= 1, "head: generation 0")
    last_tag = 0
    while fields.offset < len(plaintext):
        tag = fields.integer(1)
        check(tag > last_tag, "head: its tags do not ascend")
        fields.take(fields.integer(2))
        check(tag >= 0x80, f"version: field {tag} of the head is not known")
        last_tag = tag
    return head


def check_together(keyring, head, sealed_under, from_backup):
    """§8.1. Between a file and its head there can be a crash, but no backup (§14)."""
    if keyring["generation"] == head["generation"]:
        check(sealed_under == keyring["keys"][-1]["id"], "rollback: the head is under a former data key")
        if head["generation"] == 0:
            return
        check(hmac.compare_digest(keyring["mac"], head["mac"]), "rollback: the head is of another keyring.json")
        check(head["sequence"] > keyring["sequence"], "rollback: the head is older than keyring.json")
        return
    crashed = keyring["generation"] == head["generation"] + 1 and keyring["sequence"] == head["sequence"]
    check(crashed and not from_backup, "rollback: head and keyring.json are of different times")


# §9


def check_checkpoint(keyring, keys, head, token):
    version = base64.urlsafe_b64decode(token[:4])[0] if re.match(r"[A-Za-z0-9_-]{4}", token) else None
    check(version in (1, 2), "checkpoint: unknown version")
    state = unsigned(head["sequence"], 8) + unsigned(head["count"], 8) + unsigned(head["set_hash"], 32)
    data = from_base64url(token, 57 if version == 1 else 129)
    check(data[1:17] == keys.store_id, "checkpoint: of another store")
    if version == 1:
        check(keyring["version"] < 3, "checkpoint: of version 1, and the store of version 3")
        check_state(head, int.from_bytes(data[17:25], "big"), hmac_sha256(keys.checkpoint, state), data[25:])
        return
    lineage_key = keys.lineage.get(data[17:49])
    check(lineage_key is not None, "checkpoint: of a root key that is not in the lineage")
    mac = hmac_sha256(hkdf(lineage_key, "token-mac", keys.store_id, version=3), data[:97])
    check(hmac.compare_digest(mac, data[97:]), "checkpoint: altered")
    check(head["generation"] >= int.from_bytes(data[49:57], "big"), "checkpoint: the keys of the store are older")
    state_key = hkdf(lineage_key, "token-state", keys.store_id, version=3)
    check_state(head, int.from_bytes(data[57:65], "big"), hmac_sha256(state_key, state), data[65:97])


def check_state(head, sequence, actual, expected):
    check(head["sequence"] >= sequence, "checkpoint: the store is older")
    if head["sequence"] == sequence:
        check(hmac.compare_digest(actual, expected), "checkpoint: other contents")


# §10


def read_store(location, kind, given, checkpoint):
    with open(os.path.join(location, "keyring.json"), "rb") as file:
        keyring, root_key = open_keyring(file.read(MAX_KEYRING + 1), kind, given)
    database = plyvel.DB(os.path.join(location, "data"), create_if_missing=False, compression=None)
    try:
        return read_rows(keyring, Keys(keyring, root_key), database, checkpoint)
    finally:
        database.close()


def read_rows(keyring, keys, database, checkpoint, from_backup=False):
    value = database.get(b"h")
    check(value is not None, "head: missing")
    head = parse_head(keys.open_row(b"h", value))
    check_together(keyring, head, sealing_key(value), from_backup)
    if checkpoint is not None:
        check_checkpoint(keyring, keys, head, checkpoint)

    secrets, ids, sealed_under, total, secondary = [], set(), set(), 0, {}
    for row_key, value in database.iterator(prefix=b"r"):
        record = parse_record(keys.open_row(row_key, value))
        check(record_row_key(keys, keyring["names"], record) == row_key, "record: not at its own address")
        check(1 <= record["revision"] <= head["sequence"], "record: revision after the head")
        check(record["id"] not in ids, "record: its id is another's as well")
        ids.add(record["id"])
        sealed_under.add(sealing_key(value))
        total = (total + keys.element(row_key, value)) % 2**256
        if not from_backup:
            secondary[b"i" + record["id"].encode()] = row_key
            if record["expires_at"] is not None:
                secondary[b"x" + unsigned(record["expires_at"], 8) + record["id"].encode()] = row_key
        if "tag" in record:
            secondary[b"p" + row_key[1:]] = None  # compared with its record when it is read
        payload = read_payload(keys, database, row_key, record)
        wanted = ("account", "livemode", "scope", "name", "id", "created", "expires_at", "type")
        secrets.append({**{name: record[name] for name in wanted}, "payload": base64.b64encode(payload).decode()})
    check(len(secrets) == head["count"], f"head: expected {head['count']} records, got {len(secrets)}")
    check(total == head["set_hash"], "head: another set hash")

    ignored = {b"h"} if from_backup else {b"h", b"\x00", b"\xff" * 64}
    for row_key, value in database.iterator():
        if row_key in ignored or row_key[:1] == b"r":
            continue
        if keyring["version"] == 3 and row_key[:1] == b"d" and len(row_key) >= 2:
            continue  # derived (§12)
        check(row_key in secondary, f"row {row_key!r}: stray")
        expected = secondary.pop(row_key)
        check(expected is None or value == expected, f"row {row_key!r}: leads elsewhere")
    check(not secondary, f"rows missing: {list(secondary)}")
    return {
        "version": keyring["version"],
        "names": keyring["names"],
        "roots": len(keys.lineage),
        "generation": keyring["generation"],
        "sequence": head["sequence"],
        "dataKeys": sorted(sealed_under),
        "secrets": secrets,
    }


# §14

MAGIC = b"secret-store backup\n"
CHUNK = 65536
MAX_ROW_KEY = 65536
MAX_ENVELOPE = 1074790400


def read_backup(path, kind, given, checkpoint):
    with open(path, "rb") as file:
        data = file.read()
    check(data[: len(MAGIC)] == MAGIC, "backup: none")
    fields = Fields(data, "backup")
    fields.take(len(MAGIC))
    version = fields.integer(1)
    check(version == VERSION, f"version: {version} of a backup is not known")
    keyring_bytes = fields.take(fields.integer(4, MAX_KEYRING))
    fields.integer(8)  # how many records there were
    fields.take(32)  # random: makes the header, and so the key, another in each backup
    header, sealed = data[: fields.offset], data[fields.offset :]
    keyring, root_key = open_keyring(keyring_bytes, kind, given)
    plaintext = open_chunks(hkdf(root_key, "backup", hashlib.sha256(header).digest()), sealed)
    return read_rows(keyring, Keys(keyring, root_key), BackupRows(plaintext), checkpoint, from_backup=True)


def open_chunks(key, sealed):
    check(sealed, "backup: no chunk")
    chunks = []
    for i, offset in enumerate(range(0, len(sealed), CHUNK + 16)):
        chunk = sealed[offset : offset + CHUNK + 16]
        last = offset + len(chunk) == len(sealed)
        check(len(chunk) > 16, f"backup: chunk {i} is empty")
        try:
            nonce = unsigned(i, 11) + unsigned(last, 1)
            chunks.append(crypto_aead_chacha20poly1305_ietf_decrypt(chunk, None, nonce, key))
        except nacl.exceptions.CryptoError as error:
            raise Rejected(f"backup: chunk {i} does not open, as the {'last' if last else 'one of more'}") from error
    return b"".join(chunks)


class BackupRows:
    """What the entries of a backup make of an empty store; read like a LevelDB."""

    def __init__(self, plaintext):
        self.rows = {}
        entries = Fields(plaintext, "backup")
        while b"h" not in self.rows:
            kind = entries.integer(1)
            check(kind in (1, 2, 3), f"backup: unknown entry {kind}")
            if kind == 3:
                self.rows[b"h"] = entries.take(entries.integer(4, MAX_ENVELOPE))
                continue
            row_key = entries.take(entries.integer(4, MAX_ROW_KEY))
            check(row_key[:1] == b"r", "backup: an entry that is of no record")
            payload_key = b"p" + row_key[1:]
            for old in (row_key, payload_key):
                self.rows.pop(old, None)
            if kind == 1:
                self.rows[row_key] = entries.take(entries.integer(4, MAX_ENVELOPE))
                payload = entries.take(entries.integer(4, MAX_ENVELOPE))
                if payload:
                    self.rows[payload_key] = payload
        check(entries.offset == len(plaintext), "backup: more follows the head")

    def get(self, row_key):
        return self.rows.get(row_key)

    def iterator(self, prefix=b""):
        return ((row_key, value) for row_key, value in sorted(self.rows.items()) if row_key.startswith(prefix))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("location")
    secret = parser.add_mutually_exclusive_group(required=True)
    secret.add_argument("--passphrase-file")
    secret.add_argument("--raw-key-file")
    secret.add_argument("--recovery-code-file")
    parser.add_argument("--checkpoint")
    arguments = parser.parse_args()
    files = {
        "passphrase": arguments.passphrase_file,
        "raw-key": arguments.raw_key_file,
        "recovery-code": arguments.recovery_code_file,
    }
    kind, key_file = next((kind, path) for kind, path in files.items() if path is not None)
    with open(key_file, "rb") as file:
        given = file.read()
    read = read_store if os.path.isdir(arguments.location) else read_backup
    try:
        if kind == "passphrase":
            given = unicodedata.normalize("NFC", given.decode("utf-8")).encode("utf-8")
        elif kind == "recovery-code":
            given = parse_recovery_code(given.decode("utf-8"))
            if given is None:
                raise WrongKey("the recovery code was mistyped")
        found = read(arguments.location, kind, given, arguments.checkpoint)
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

import { createCipheriv, createHash, pbkdf2Sync, randomBytes, randomUUID } from 'node:crypto';

/**
 * A LUKS1 header, as the LUKS On-Disk Format Specification 1.2.3 and QEMU's `crypto/block-luks` lay it out.
 * It is made here and not by `qemu-img create`: that measures for 2.5 s how often it can hash a guessable
 * password, and now and then fails at it; our passphrase is a random key.
 */
const SECTOR_BYTES = 512;
const HEADER_MAGIC = Buffer.from('4c554b53babe', 'hex');
const MASTER_KEY_BYTES = 64;
const DIGEST_BYTES = 20;
const SALT_BYTES = 32;
const SLOTS = 8;
const STRIPES = 4000;
const SLOT_ENABLED = 0x00ac71f3;
const SLOT_DISABLED = 0x0000dead;
/** The specification's least. More only delays someone who guesses, and 256 random bits are not guessed. */
const ITERATIONS = 1000;
/** Key material begins at multiples of 4 KiB. */
const ALIGNMENT_SECTORS = 8;
const MATERIAL_SECTORS = (MASTER_KEY_BYTES * STRIPES) / SECTOR_BYTES;
const SLOT_SECTORS = Math.ceil(MATERIAL_SECTORS / ALIGNMENT_SECTORS) * ALIGNMENT_SECTORS;
const slotOffsetSectors = (slot: number): number => ALIGNMENT_SECTORS + slot * SLOT_SECTORS;
const payloadOffsetSectors = slotOffsetSectors(SLOTS);

/** Bytes that the header takes at the start of a leg; what `qemu-img create -f luks` takes too. */
export const LUKS_HEADER_BYTES = payloadOffsetSectors * SECTOR_BYTES;

/** The passphrase of a volume's key. Text, since a LUKS passphrase in QEMU must be valid UTF-8. */
export const passphraseOf = (key: Uint8Array): string => Buffer.from(key).toString('base64');

/** Makes a header (aes-256-xts, plain64, sha256) with a master key of its own, which the volume's key opens. */
export function makeLuksHeader(key: Uint8Array): Buffer {
  const header = Buffer.alloc(LUKS_HEADER_BYTES);
  const masterKey = randomBytes(MASTER_KEY_BYTES);
  const digestSalt = randomBytes(SALT_BYTES);
  HEADER_MAGIC.copy(header, 0);
  header.writeUInt16BE(1, 6);
  header.write('aes', 8, 'ascii');
  header.write('xts-plain64', 40, 'ascii');
  header.write('sha256', 72, 'ascii');
  header.writeUInt32BE(payloadOffsetSectors, 104);
  header.writeUInt32BE(MASTER_KEY_BYTES, 108);
  pbkdf2Sync(masterKey, digestSalt, ITERATIONS, DIGEST_BYTES, 'sha256').copy(header, 112);
  digestSalt.copy(header, 132);
  header.writeUInt32BE(ITERATIONS, 164);
  header.write(randomUUID(), 168, 'ascii');
  for (let slot = 0; slot < SLOTS; slot++) writeSlot(header, slot, slot === 0 ? { key, masterKey } : null);
  masterKey.fill(0);
  return header;
}

function writeSlot(header: Buffer, slot: number, enabled: { key: Uint8Array; masterKey: Buffer } | null): void {
  const at = 208 + slot * 48;
  header.writeUInt32BE(enabled === null ? SLOT_DISABLED : SLOT_ENABLED, at);
  header.writeUInt32BE(slotOffsetSectors(slot), at + 40);
  header.writeUInt32BE(STRIPES, at + 44);
  if (enabled === null) return;
  const salt = randomBytes(SALT_BYTES);
  header.writeUInt32BE(ITERATIONS, at + 4);
  salt.copy(header, at + 8);
  const slotKey = pbkdf2Sync(passphraseOf(enabled.key), salt, ITERATIONS, MASTER_KEY_BYTES, 'sha256');
  const material = encryptSectors(slotKey, splitKey(enabled.masterKey));
  material.copy(header, slotOffsetSectors(slot) * SECTOR_BYTES);
  slotKey.fill(0);
}

/** Spreads the key over its stripes, so that losing any of them loses it (the specification's AF splitter). */
function splitKey(key: Buffer): Buffer {
  const stripes = randomBytes(key.length * STRIPES);
  let mixed: Buffer = Buffer.alloc(key.length);
  for (let stripe = 0; stripe < STRIPES - 1; stripe++) {
    mixed = diffuse(exclusiveOr(mixed, stripes.subarray(stripe * key.length, (stripe + 1) * key.length)));
  }
  exclusiveOr(mixed, key).copy(stripes, (STRIPES - 1) * key.length);
  return stripes;
}

/** Hashes each 32 bytes together with their number. */
function diffuse(block: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let start = 0, index = 0; start < block.length; start += 32, index++) {
    const number = Buffer.alloc(4);
    number.writeUInt32BE(index);
    parts.push(
      createHash('sha256')
        .update(number)
        .update(block.subarray(start, start + 32))
        .digest(),
    );
  }
  return Buffer.concat(parts, block.length);
}

function exclusiveOr(one: Buffer, other: Buffer): Buffer {
  return Buffer.from(one.map((byte, index) => byte ^ (other[index] ?? 0)));
}

/** AES-256-XTS with the sector's number, little-endian, as its tweak (plain64). */
function encryptSectors(key: Buffer, plain: Buffer): Buffer {
  const sectors: Buffer[] = [];
  for (let sector = 0; sector * SECTOR_BYTES < plain.length; sector++) {
    const tweak = Buffer.alloc(16);
    tweak.writeBigUInt64LE(BigInt(sector));
    sectors.push(
      createCipheriv('aes-256-xts', key, tweak).update(
        plain.subarray(sector * SECTOR_BYTES, (sector + 1) * SECTOR_BYTES),
      ),
    );
  }
  return Buffer.concat(sectors);
}

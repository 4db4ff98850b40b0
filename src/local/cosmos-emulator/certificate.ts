/** A certificate authority of the emulator's own, and the server certificate it signs. */
import { createPrivateKey, generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto';
import { isIP } from 'node:net';
import { bits, boolean, der, integer, objectId, octets, sequence, set, tagged, time, utf8 } from './der.ts';

/** What a TLS server needs; all PEM. */
export interface ServerCertificate {
  readonly key: string;
  readonly certificate: string;
  /** For the client to trust. */
  readonly caCertificate: string;
}

const DAY_MS = 86_400_000;
/** Clients refuse server certificates with much longer lives. */
const LEAF_DAYS = 397;
/** How long a server certificate is valid, at least. */
export const SERVER_CERTIFICATE_MS = (LEAF_DAYS - 1) * DAY_MS;
const CA_DAYS = 3650;

const ECDSA_SHA256 = sequence(objectId('1.2.840.10045.4.3.2'));
const BASIC_CONSTRAINTS = objectId('2.5.29.19');
const KEY_USAGE = objectId('2.5.29.15');
const EXTENDED_KEY_USAGE = objectId('2.5.29.37');
const SUBJECT_ALTERNATIVE_NAME = objectId('2.5.29.17');
const SERVER_AUTH = objectId('1.3.6.1.5.5.7.3.1');

/** Makes both for these names and addresses, valid from a day before `now` (milliseconds since 1970). */
export function createServerCertificate(hosts: readonly string[], now: number): ServerCertificate {
  const ca = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const leaf = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const caName = commonName(`Cosmos DB emulator CA ${randomBytes(4).toString('hex')}`);
  const from = now - DAY_MS;
  const caCertificate = certificate({
    issuer: caName,
    subject: caName,
    publicKey: ca.publicKey,
    signingKey: ca.privateKey,
    from,
    until: from + CA_DAYS * DAY_MS,
    extensions: [
      extension(BASIC_CONSTRAINTS, true, sequence(boolean(true))),
      // keyCertSign and cRLSign.
      extension(KEY_USAGE, true, der(0x03, Buffer.from([1, 0x06]))),
    ],
  });
  const serverCertificate = certificate({
    issuer: caName,
    subject: commonName('localhost'),
    publicKey: leaf.publicKey,
    signingKey: ca.privateKey,
    from,
    until: from + LEAF_DAYS * DAY_MS,
    extensions: [
      extension(BASIC_CONSTRAINTS, true, sequence()),
      // digitalSignature.
      extension(KEY_USAGE, true, der(0x03, Buffer.from([7, 0x80]))),
      extension(EXTENDED_KEY_USAGE, false, sequence(SERVER_AUTH)),
      extension(SUBJECT_ALTERNATIVE_NAME, false, sequence(...hosts.map(generalName))),
    ],
  });
  return {
    key: createPrivateKey(leaf.privateKey.export({ type: 'pkcs8', format: 'pem' }))
      .export({ type: 'pkcs8', format: 'pem' })
      .toString(),
    certificate: pem(serverCertificate) + pem(caCertificate),
    caCertificate: pem(caCertificate),
  };
}

interface CertificateFields {
  readonly issuer: Buffer;
  readonly subject: Buffer;
  readonly publicKey: KeyObject;
  readonly signingKey: KeyObject;
  readonly from: number;
  readonly until: number;
  readonly extensions: readonly Buffer[];
}

/** RFC 5280, version 3. */
function certificate(fields: CertificateFields): Buffer {
  const serial = randomBytes(16);
  serial[0] = (serial[0] ?? 0) & 0x7f;
  const body = sequence(
    tagged(0, integer(Buffer.from([2]))),
    integer(serial),
    ECDSA_SHA256,
    fields.issuer,
    sequence(time(new Date(fields.from)), time(new Date(fields.until))),
    fields.subject,
    fields.publicKey.export({ type: 'spki', format: 'der' }),
    tagged(3, sequence(...fields.extensions)),
  );
  return sequence(body, ECDSA_SHA256, bits(sign('sha256', body, fields.signingKey)));
}

function extension(id: Buffer, critical: boolean, value: Buffer): Buffer {
  return sequence(id, ...(critical ? [boolean(true)] : []), octets(value));
}

function commonName(name: string): Buffer {
  return sequence(set(sequence(objectId('2.5.4.3'), utf8(name))));
}

function generalName(host: string): Buffer {
  if (isIP(host) === 4) return der(0x87, Buffer.from(host.split('.').map(Number)));
  if (isIP(host) === 6) return der(0x87, ipv6Bytes(host));
  return der(0x82, Buffer.from(host, 'latin1'));
}

function ipv6Bytes(host: string): Buffer {
  const [head = '', tail] = host.split('::');
  const groups = (text: string): number[] =>
    text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16));
  const left = groups(head);
  const right = tail === undefined ? [] : groups(tail);
  const all = [...left, ...Array.from({ length: 8 - left.length - right.length }, () => 0), ...right];
  const bytes = Buffer.alloc(16);
  all.forEach((group, index) => bytes.writeUInt16BE(group, index * 2));
  return bytes;
}

function pem(content: Buffer): string {
  const lines = content.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}

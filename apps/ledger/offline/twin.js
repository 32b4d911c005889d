// Shows an evidence bundle and recomputes its hashes in the browser. It has no network and trusts nothing but its own arithmetic;
// whatever is shown is set as text, never as markup. The same claims as verify.py, as far as a browser goes.
'use strict';

const files = new Map(Object.entries(JSON.parse(document.getElementById('bundle').textContent))
  .map(([name, data]) => [name, Uint8Array.from(atob(data), (char) => char.charCodeAt(0))]));
const textOf = (name) => new TextDecoder('utf-8', { fatal: true }).decode(files.get(name));
const jsonOf = (name) => JSON.parse(textOf(name));
const utf8 = (text) => new TextEncoder().encode(text);
const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
const unhex = (text) => Uint8Array.from(text.match(/../g) || [], (pair) => parseInt(pair, 16));
const unbase64 = (text) => Uint8Array.from(atob(text), (char) => char.charCodeAt(0));

function join(...parts) {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let place = 0;
  for (const part of parts) { whole.set(part, place); place += part.length; }
  return whole;
}

const sha256 = async (bytes) => new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
const nodeHash = (left, right) => sha256(join(Uint8Array.of(1), left, right));
const netstring = (part) => join(utf8(`${part.length}:`), part, utf8(','));

function leafHash(entry) {
  const parts = ['opsportal.ledger/entry/1', String(entry.seq), entry.at, entry.actor, entry.kind, entry.subject, entry.tier].map(utf8);
  return sha256(join(Uint8Array.of(0), ...[...parts, unhex(entry.prev_hash), utf8(entry.body)].map(netstring)));
}

async function rootByPath(index, size, leaf, path) {
  let [place, last, reached] = [index, size - 1, leaf];
  const half = (number) => Math.floor(number / 2);
  for (const sibling of path) {
    if (last === 0) throw new Error('its inclusion path is too long');
    if (place % 2 || place === last) {
      reached = await nodeHash(sibling, reached);
      while (place % 2 === 0 && place) [place, last] = [half(place), half(last)];
    } else {
      reached = await nodeHash(reached, sibling);
    }
    [place, last] = [half(place), half(last)];
  }
  if (last) throw new Error('its inclusion path is too short');
  return reached;
}

function noteOf(name) {
  const data = textOf(name);
  const gap = data.lastIndexOf('\n\n');
  const lines = data.slice(gap + 2).trimEnd().split('\n').map((line) => line.match(/^— (\S+) (\S+)$/));
  const [origin, size, root, time] = data.slice(0, gap).split('\n');
  return { text: data.slice(0, gap + 1), origin, size: Number(size), root: unbase64(root), time: Number(time.slice(5)), lines };
}

async function signedBy(note, written) {
  const [, name, id, packed] = written.match(/^([^+]+)\+([^+]+)\+(.+)$/);
  const key = unbase64(packed);
  const line = note.lines.find((one) => one && one[1] === name && hex(unbase64(one[2]).slice(0, 4)) === id);
  if (!line) throw new Error(`it bears no signature of ${name}`);
  let [signature, message] = [unbase64(line[2]).slice(4), utf8(note.text)];
  if (key[0] === 4) {
    const at = signature.slice(0, 8).reduce((sum, byte) => sum * 256 + byte, 0);
    [signature, message] = [signature.slice(8), join(utf8(`cosignature/v1\ntime ${at}\n`), message)];
  }
  let imported;
  try {
    imported = await crypto.subtle.importKey('raw', key.slice(1), { name: 'Ed25519' }, false, ['verify']);
  } catch {
    return false; // this browser has no Ed25519
  }
  if (!await crypto.subtle.verify({ name: 'Ed25519' }, imported, signature, message)) throw new Error(`the signature of ${name} is wrong`);
  return true;
}

async function claimEntries() {
  const note = noteOf('checkpoint.txt');
  const proofs = jsonOf('proofs.json');
  let before = null;
  for (const entry of entries) {
    const leaf = await leafHash(entry);
    if (hex(leaf) !== entry.hash) throw new Error(`entry ${entry.seq} is not what was hashed when it was recorded`);
    if (before && before.seq >= entry.seq) throw new Error(`entry ${entry.seq} was doubled or moved`);
    if (before && before.seq === entry.seq - 1 && before.hash !== entry.prev_hash) throw new Error(`entry ${entry.seq} links to another entry`);
    const reached = await rootByPath(entry.seq - 1, note.size, leaf, proofs[entry.seq].map(unhex));
    if (hex(reached) !== hex(note.root)) throw new Error(`entry ${entry.seq} is not in the ledger under this checkpoint`);
    before = entry;
  }
  if (Object.keys(proofs).length !== entries.length || jsonOf('about.json').entries !== entries.length) throw new Error('an entry was dropped or added');
  return `${entries.length} entries are as they were recorded, each in its place among ${note.size} under the checkpoint.`;
}

async function claimCheckpoint() {
  const note = noteOf('checkpoint.txt');
  const checked = await signedBy(note, jsonOf('keys.json').ledger);
  const at = new Date(note.time * 1000).toISOString();
  return checked ? `The checkpoint of ${at} over ${note.size} entries is signed by ${note.origin}.`
    : `The checkpoint of ${at} over ${note.size} entries says it is of ${note.origin}; this browser cannot check Ed25519.`;
}

async function claimWitness() {
  if (!files.has('witnessed.txt')) return 'No witness has signed.';
  const note = noteOf('witnessed.txt');
  const keys = jsonOf('keys.json');
  const checked = (await signedBy(note, keys.ledger)) && (await signedBy(note, keys.witness));
  return checked ? `The first ${note.size} entries were witnessed; verify.py checks that this ledger continues them.`
    : 'There is a witness’s signature; this browser cannot check Ed25519.';
}

async function claimStatements() {
  for (const one of signatures) {
    const entry = entries.find((found) => found.seq === one.entry);
    const digest = hex(await sha256(files.get(one.statement)));
    if (!entry || digest !== one.digest || digest !== JSON.parse(entry.body).digest) throw new Error(`the statement signed by ${one.signer} was changed`);
  }
  return signatures.length ? `${signatures.length} statements are those that were signed, byte for byte.` : 'Nothing in it is signed by a person.';
}

function element(name, text, parent, className = '') {
  const made = document.createElement(name);
  made.textContent = text;
  made.className = className;
  parent.append(made);
  return made;
}

function fold(title, text, parent) {
  const made = element('details', '', parent);
  element('summary', title, made);
  element('pre', text, made);
}

function draw() {
  const about = jsonOf('about.json');
  document.title = about.title;
  document.getElementById('lead').textContent = `${about.subject}, ${about.entries} entries, as of ${about.at}. Nothing is asked of a network.`;
  for (const one of signatures) {
    const card = element('article', '', document.getElementById('signatures'));
    element('p', one.in_words, card);
    element('p', one.passkey ? 'With a passkey over exactly this statement; verify.py checks it.' : 'Server-attested: the portal says that it knew them.', card, 'quiet');
    fold('The exact statement', new TextDecoder().decode(files.get(one.statement)), card);
  }
  if (!signatures.length) element('p', 'None.', document.getElementById('signatures'), 'quiet');
  for (const entry of entries) {
    const card = element('article', '', document.getElementById('entries'));
    element('p', entry.in_words, card);
    element('p', `Entry ${entry.seq} · ${entry.at} · ${entry.actor}`, card, 'quiet');
    fold('Exact bytes and hash', `${entry.kind} ${entry.subject}\n${entry.body}\n${entry.hash}`, card);
  }
}

async function main() {
  let [broken, claims] = [0, document.getElementById('claims')];
  for (const [name, claim] of [['Entries', claimEntries], ['Checkpoint', claimCheckpoint], ['Witness', claimWitness], ['Statements', claimStatements]]) {
    try {
      element('li', `✓ ${await claim()}`, claims, 'good');
    } catch (error) {
      broken += 1;
      element('li', `✗ ${name}: ${error.message}.`, claims, 'bad');
    }
  }
  const title = jsonOf('about.json').title;
  document.getElementById('verdict').textContent = broken ? `${title}: this bundle is broken. Do not rely on it.` : `${title}: nothing that was checked is broken.`;
  document.body.dataset.done = broken ? 'broken' : 'whole';
}

let entries = [];
let signatures = [];
try {
  entries = textOf('entries.jsonl').split('\n').filter(Boolean).map((line) => JSON.parse(line));
  signatures = jsonOf('signatures.json');
  draw();
} catch (error) {
  element('p', `It cannot be shown whole: ${error.message}.`, document.getElementById('entries'), 'bad');
}
main().catch((error) => {
  document.getElementById('verdict').textContent = `This bundle is broken: ${error.message}.`;
  document.body.dataset.done = 'broken';
});

// Facts of other consortia's ledgers: anybody who may call shows a proof of state, and what it proves is kept until a later one says
// otherwise. What it keeps and which methods it has stands in README.md.
#include "../sottovoce.h"

static const u64 HOUR = 3600 * 1000, DAY = 24 * HOUR;
enum { MAX_KEY = 128, MAX_VALUE = 16384 };

// What is proven: the value, and what there is to know of it.
static u8 proven[MAX_VALUE + 512];

static Buffer key_of(Text kind, Text verifier, Text fact) {
  Buffer key = {.length = 0};
  if (kind.length + verifier.length + 1 + fact.length > MAX_KEY) refuse(TEXT("key_too_long"));
  for (u32 i = 0; i < fact.length; i++)
    if (fact.at[i] < 0x21 || fact.at[i] > 0x7e) refuse(TEXT("bad_key"));
  put_text(&key, kind);
  put_text(&key, verifier);
  put_byte(&key, '/');
  put_text(&key, fact);
  return key;
}

// learn [verifier, proof]
static void learn(Reader *arguments) {
  get_array(arguments, 2);
  Text verifier = get_text(arguments);
  Text proof = get_bytes(arguments);
  get_end(arguments);
  int length = host_verify_proof(verifier.at, verifier.length, proof.at, proof.length, proven, sizeof proven);
  if (length == NO_VERIFIER) refuse(TEXT("unknown_verifier"));
  if (length < 0) refuse(TEXT("not_proven"));
  if (length > (int)sizeof proven) refuse(TEXT("too_long"));

  // [chain, key, value or null, height, time]; the chain is the verifier's, which the members have registered.
  Reader statement = {proven, length};
  get_array(&statement, 5);
  get_bytes(&statement);
  Text key = get_bytes(&statement);
  int gone = get_null(&statement);
  Text value = gone ? TEXT("") : get_bytes(&statement);
  u64 height = get_number(&statement);
  u64 time = get_number(&statement);
  get_end(&statement);
  if (value.length > MAX_VALUE) refuse(TEXT("too_long"));

  // A proof says how it was, not how it is: none from long ago, none from before what is known, none from a clock that is far off.
  u64 now = host_block_time();
  if (time + DAY < now) refuse(TEXT("stale"));
  if (time > now + HOUR) refuse(TEXT("ahead"));
  Buffer seen = key_of(TEXT("seen/"), verifier, key), old;
  if (load(&seen, &old)) {
    Reader reader = {old.bytes, old.length};
    get_array(&reader, 2);
    if (height <= get_number(&reader)) refuse(TEXT("known"));
  }

  old.length = 0;
  put_head(&old, 4, 2);
  put_head(&old, 0, height);
  put_head(&old, 0, time);
  store(&seen, &old);
  Buffer fact = key_of(TEXT("fact/"), verifier, key);
  if (gone)
    host_state_delete(fact.bytes, fact.length);
  else
    host_state_put(fact.bytes, fact.length, value.at, value.length);
  tell(gone ? TEXT("gone") : TEXT("learned"), key, verifier);
}

// Where the host puts the method's name and the arguments.
static u8 input[65536 + 32];

EXPORT(allocate) u8 *allocate(u32 length) {
  if (length > sizeof input) refuse(TEXT("too_long"));
  return input;
}

EXPORT(call) void call(const u8 *name, u32 name_length, const u8 *bytes, u32 length) {
  Reader arguments = {bytes, length};
  if (same((Text){name, name_length}, TEXT("learn"))) return learn(&arguments);
  refuse(TEXT("unknown_method"));
}

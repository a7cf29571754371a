// What a contract in C needs: the host's functions, and canonical CBOR for short arguments. The rules are in docs/spec/wasm.md.
#ifndef SOTTOVOCE_H
#define SOTTOVOCE_H

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;

#define HOST(name) __attribute__((import_module("sottovoce"), import_name(#name)))
#define EXPORT(name) __attribute__((export_name(#name)))

HOST(state_get) int host_state_get(const void *key, u32 key_length, void *into, u32 room);
HOST(state_put) void host_state_put(const void *key, u32 key_length, const void *value, u32 length);
HOST(state_delete) void host_state_delete(const void *key, u32 key_length);
HOST(emit) void host_emit(const void *name, u32 name_length, const void *subject, u32 subject_length,
                          const void *detail, u32 detail_length);
HOST(caller_member) int host_caller_member(void *into, u32 room);
HOST(caller_role) int host_caller_role(void);
HOST(block_time) u64 host_block_time(void);
HOST(alarm_set) void host_alarm_set(const void *name, u32 length, u64 time);
HOST(alarm_clear) void host_alarm_clear(const void *name, u32 length);
HOST(verifier) int host_verifier(const void *name, u32 length, void *digest);
HOST(verify_proof) int host_verify_proof(const void *verifier, u32 verifier_length, const void *proof, u32 length,
                                         void *into, u32 room);
HOST(refuse) _Noreturn void host_refuse(const void *reason, u32 length);

enum { NOBODY = 0, OPERATOR = 1, NODE = 2, PRINCIPAL = 3, LEDGER = 4 };

// What `host_verify_proof` returns instead of the length of what is proven.
enum { NO_VERIFIER = -1, NOT_PROVEN = -2 };

// A piece of text or bytes.
typedef struct {
  const u8 *at;
  u32 length;
} Text;

#define TEXT(literal) ((Text){(const u8 *)(literal), sizeof(literal) - 1})

static _Noreturn void refuse(Text reason) { host_refuse(reason.at, reason.length); }

// Has the ledger call `alarm` with this name, before the first block whose time is not before; a contract that sets any exports
//   EXPORT(alarm) void alarm(const u8 *name, u32 length)
static inline void set_alarm(Text name, u64 time) { host_alarm_set(name.at, name.length, time); }
static inline void clear_alarm(Text name) { host_alarm_clear(name.at, name.length); }

static int same(Text a, Text b) {
  if (a.length != b.length) return 0;
  for (u32 i = 0; i < a.length; i++)
    if (a.at[i] != b.at[i]) return 0;
  return 1;
}

// Bytes that are being put together. What does not fit ends the call.
typedef struct {
  u8 bytes[256];
  u32 length;
} Buffer;

static void put_byte(Buffer *into, u8 byte) {
  if (into->length == sizeof into->bytes) __builtin_trap();
  into->bytes[into->length++] = byte;
}

static void put_text(Buffer *into, Text text) {
  for (u32 i = 0; i < text.length; i++) put_byte(into, text.at[i]);
}

[[maybe_unused]] static void put_decimal(Buffer *into, u64 number) {
  u8 digits[20];
  u32 count = 0;
  do digits[count++] = '0' + number % 10;
  while (number /= 10);
  while (count) put_byte(into, digits[--count]);
}

[[maybe_unused]] static Text text_of(const Buffer *buffer) { return (Text){buffer->bytes, buffer->length}; }

// CBOR: the head of an item, in its shortest form.
static void put_head(Buffer *into, u8 major, u64 number) {
  u32 size = number < 24 ? 0 : number < 256 ? 1 : number < 65536 ? 2 : number < 4294967296ull ? 4 : 8;
  u8 kind = size == 0 ? number : size == 1 ? 24 : size == 2 ? 25 : size == 4 ? 26 : 27;
  put_byte(into, major << 5 | kind);
  while (size) put_byte(into, number >> 8 * --size);
}

// Bytes that are being read. What is not of the expected form is refused.
typedef struct {
  const u8 *at;
  u32 left;
} Reader;

static u8 get_byte(Reader *from) {
  if (!from->left) refuse(TEXT("malformed"));
  from->left--;
  return *from->at++;
}

static u64 get_head(Reader *from, u8 major) {
  u8 first = get_byte(from);
  u8 kind = first & 31;
  if (first >> 5 != major || kind > 27) refuse(TEXT("malformed"));
  if (kind < 24) return kind;
  u64 number = 0;
  for (u32 size = 1u << (kind - 24); size; size--) number = number << 8 | get_byte(from);
  u64 least = kind == 24 ? 24 : kind == 25 ? 256 : kind == 26 ? 65536 : 4294967296ull;
  if (number < least) refuse(TEXT("malformed"));
  return number;
}

static u64 get_number(Reader *from) { return get_head(from, 0); }

static Text get_text(Reader *from) {
  u64 length = get_head(from, 3);
  if (length > from->left) refuse(TEXT("malformed"));
  Text text = {from->at, (u32)length};
  from->at += text.length;
  from->left -= text.length;
  return text;
}

static inline Text get_bytes(Reader *from) {
  u64 length = get_head(from, 2);
  if (length > from->left) refuse(TEXT("malformed"));
  Text bytes = {from->at, (u32)length};
  from->at += bytes.length;
  from->left -= bytes.length;
  return bytes;
}

// Takes a null, where one is next.
static inline int get_null(Reader *from) {
  if (!from->left || *from->at != 0xf6) return 0;
  get_byte(from);
  return 1;
}

static void get_array(Reader *from, u64 items) {
  if (get_head(from, 4) != items) refuse(TEXT("malformed"));
}

static void get_end(const Reader *from) {
  if (from->left) refuse(TEXT("malformed"));
}

// The state by keys and values that fit a buffer.
static int load(const Buffer *key, Buffer *value) {
  int length = host_state_get(key->bytes, key->length, value->bytes, sizeof value->bytes);
  if (length > (int)sizeof value->bytes) __builtin_trap();
  value->length = length < 0 ? 0 : length;
  return length >= 0;
}

static void store(const Buffer *key, const Buffer *value) {
  host_state_put(key->bytes, key->length, value->bytes, value->length);
}

static void tell(Text name, Text subject, Text detail) {
  host_emit(name.at, name.length, subject.at, subject.length, detail.at, detail.length);
}

#endif

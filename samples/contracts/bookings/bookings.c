// Bookings of instruments that members share: an item belongs to a member, anybody who acts for a member asks for it by the day, and
// the owner approves. What it keeps and which methods it has stands in README.md.
#include "../sottovoce.h"

#ifndef VERSION
#error "say -DVERSION=1 or -DVERSION=2"
#endif

enum { MAX_NAME = 32, MAX_ITEMS = 100 };
static const u64 DAY = 24ull * 3600 * 1000;

enum { ASKED = 0, APPROVED = 1 };

// The member for whom the sender acts.
static Text member(Buffer *buffer) {
  int length = host_caller_member(buffer->bytes, sizeof buffer->bytes);
  if (length == 0) refuse(TEXT("no_member"));
  buffer->length = length;
  return text_of(buffer);
}

static Text get_name(Reader *arguments) {
  Text name = get_text(arguments);
  if (name.length < 1 || name.length > MAX_NAME) refuse(TEXT("bad_name"));
  for (u32 i = 0; i < name.length; i++) {
    u8 c = name.at[i];
    if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-')) refuse(TEXT("bad_name"));
  }
  return name;
}

static Buffer key_of_item(Text item) {
  Buffer key = {.length = 0};
  put_text(&key, TEXT("item/"));
  put_text(&key, item);
  return key;
}

static Buffer key_of_place(u64 place) {
  Buffer key = {.length = 0};
  put_text(&key, TEXT("item-at/"));
  put_decimal(&key, place);
  return key;
}

static Buffer key_of_booking(Text item, u64 day) {
  Buffer key = {.length = 0};
  put_text(&key, TEXT("booking/"));
  put_text(&key, item);
  put_byte(&key, '/');
  put_decimal(&key, day);
  return key;
}

static u64 count_items(void) {
  Buffer key = {.length = 0}, value;
  put_text(&key, TEXT("items"));
  if (!load(&key, &value)) return 0;
  Reader reader = {value.bytes, value.length};
  return get_number(&reader);
}

// An item: its owner, and in version 2 how many days ahead it may be booked.
typedef struct {
  Buffer bytes;
  Text owner;
  u64 ahead;
} Item;

static void write_item(Text name, Text owner, u64 ahead) {
  Buffer key = key_of_item(name), value = {.length = 0};
#if VERSION >= 2
  put_head(&value, 4, 2);
#endif
  put_head(&value, 3, owner.length);
  put_text(&value, owner);
#if VERSION >= 2
  put_head(&value, 0, ahead);
#else
  (void)ahead;
#endif
  store(&key, &value);
}

static int find_item(Text name, Item *item) {
  Buffer key = key_of_item(name);
  if (!load(&key, &item->bytes)) return 0;
  Reader reader = {item->bytes.bytes, item->bytes.length};
#if VERSION >= 2
  get_array(&reader, 2);
  item->owner = get_text(&reader);
  item->ahead = get_number(&reader);
#else
  item->owner = get_text(&reader);
  item->ahead = ~0ull;
#endif
  return 1;
}

static void need_item(Text name, Item *item) {
  if (!find_item(name, item)) refuse(TEXT("no_such_item"));
}

// add [item]: by an operator, whose member owns it from then on.
static void add(Reader *arguments) {
  get_array(arguments, 1);
  Text name = get_name(arguments);
  get_end(arguments);
  Buffer buffer;
  Text owner = member(&buffer);
  if (host_caller_role() != OPERATOR) refuse(TEXT("operators_only"));
  Item item;
  if (find_item(name, &item)) refuse(TEXT("name_taken"));
  u64 count = count_items();
  if (count == MAX_ITEMS) refuse(TEXT("too_many_items"));

  write_item(name, owner, 365);
  Buffer key = key_of_place(count), value = {.length = 0};
  put_text(&value, name);
  store(&key, &value);
  Buffer items = {.length = 0}, number = {.length = 0};
  put_text(&items, TEXT("items"));
  put_head(&number, 0, count + 1);
  store(&items, &number);
  tell(TEXT("added"), name, owner);
}

// book [item, day]: by anybody who acts for a member. Days are counted from 1 January 1970, UTC.
static void book(Reader *arguments) {
  get_array(arguments, 2);
  Text name = get_name(arguments);
  u64 day = get_number(arguments);
  get_end(arguments);
  Buffer buffer;
  Text asks = member(&buffer);
  Item item;
  need_item(name, &item);
  u64 today = host_block_time() / DAY;
  if (day < today) refuse(TEXT("in_the_past"));
  if (day - today > item.ahead) refuse(TEXT("too_far_ahead"));
  Buffer key = key_of_booking(name, day), value;
  if (load(&key, &value)) refuse(TEXT("taken"));

  // Nobody has to approve what the owner books.
  u8 state = same(asks, item.owner) ? APPROVED : ASKED;
  value.length = 0;
  put_head(&value, 4, 2);
  put_head(&value, 3, asks.length);
  put_text(&value, asks);
  put_head(&value, 0, state);
  store(&key, &value);
  tell(state == APPROVED ? TEXT("approved") : TEXT("asked"), text_of(&key), asks);
}

// approve [item, day] and cancel [item, day]: by the owner; cancel also by the member that booked.
static void decide(Reader *arguments, int approve) {
  get_array(arguments, 2);
  Text name = get_name(arguments);
  u64 day = get_number(arguments);
  get_end(arguments);
  Buffer buffer;
  Text asks = member(&buffer);
  Item item;
  need_item(name, &item);
  Buffer key = key_of_booking(name, day), value;
  if (!load(&key, &value)) refuse(TEXT("no_such_booking"));
  Reader reader = {value.bytes, value.length};
  get_array(&reader, 2);
  Text booked = get_text(&reader);
  u64 state = get_number(&reader);

  if (!approve) {
    if (!same(asks, item.owner) && !same(asks, booked)) refuse(TEXT("not_yours"));
    host_state_delete(key.bytes, key.length);
    tell(TEXT("cancelled"), text_of(&key), asks);
    return;
  }
  if (!same(asks, item.owner)) refuse(TEXT("not_yours"));
  if (state == APPROVED) refuse(TEXT("approved_already"));
  // The state is the value's last byte.
  value.bytes[value.length - 1] = APPROVED;
  store(&key, &value);
  tell(TEXT("approved"), text_of(&key), booked);
}

#if VERSION >= 2
// limit [item, days]: by the owner: how many days ahead it may be booked.
static void limit(Reader *arguments) {
  get_array(arguments, 2);
  Text name = get_name(arguments);
  u64 ahead = get_number(arguments);
  get_end(arguments);
  Buffer buffer;
  Text asks = member(&buffer);
  Item item;
  need_item(name, &item);
  if (!same(asks, item.owner)) refuse(TEXT("not_yours"));
  write_item(name, item.owner, ahead);
  Buffer days = {.length = 0};
  put_decimal(&days, ahead);
  tell(TEXT("limited"), name, text_of(&days));
}

// Takes over the items of version 1, which may be booked `[days]` ahead from now on.
EXPORT(migrate) void migrate(u32 from, const u8 *bytes, u32 length) {
  if (from != 1) refuse(TEXT("unknown_version"));
  Reader arguments = {bytes, length};
  get_array(&arguments, 1);
  u64 ahead = get_number(&arguments);
  get_end(&arguments);
  u64 count = count_items();
  for (u64 place = 0; place < count; place++) {
    Buffer key = key_of_place(place), name, value;
    if (!load(&key, &name)) __builtin_trap();
    Buffer item = key_of_item(text_of(&name));
    if (!load(&item, &value)) __builtin_trap();
    Reader reader = {value.bytes, value.length};
    Text owner = get_text(&reader);
    write_item(text_of(&name), owner, ahead);
  }
}
#endif

// Where the host puts the method's name and the arguments.
static u8 input[1024];

EXPORT(allocate) u8 *allocate(u32 length) {
  if (length > sizeof input) refuse(TEXT("too_long"));
  return input;
}

EXPORT(call) void call(const u8 *name, u32 name_length, const u8 *bytes, u32 length) {
  Text method = {name, name_length};
  Reader arguments = {bytes, length};
  if (same(method, TEXT("add"))) return add(&arguments);
  if (same(method, TEXT("book"))) return book(&arguments);
  if (same(method, TEXT("approve"))) return decide(&arguments, 1);
  if (same(method, TEXT("cancel"))) return decide(&arguments, 0);
#if VERSION >= 2
  if (same(method, TEXT("limit"))) return limit(&arguments);
#endif
  refuse(TEXT("unknown_method"));
}

// Invents the name of a character. Shows a plugin in C with nothing underneath: no libc and no SDK, only the few host
// functions it needs. The module is a few hundred bytes of code.

#include <stdint.h>

#define EXTISM(name) __attribute__((import_module("extism:host/env"), import_name(name)))
#define WASI(name) __attribute__((import_module("wasi_snapshot_preview1"), import_name(name)))
#define EXPORT(name) __attribute__((export_name(name)))

// A handle names a block of the host's memory.
typedef uint64_t handle;

EXTISM("alloc") handle extism_alloc(uint64_t length);
EXTISM("store_u8") void extism_store_u8(handle offset, uint32_t byte);
EXTISM("output_set") void extism_output_set(handle offset, uint64_t length);
EXTISM("error_set") void extism_error_set(handle offset);
WASI("random_get") uint32_t wasi_random_get(void *buffer, uint32_t length);

// Each list has 16 entries, so that four random bits choose one of them fairly.
static const char *const openings[16] = {"Al", "Bel", "Cor", "Dra", "El", "Fen", "Gal", "Hal",
                                         "Is", "Kor", "Lys", "Mor", "Nim", "Or", "Tha", "Val"};
static const char *const middles[16] = {"a", "ade", "ami", "an", "ara", "e", "eri", "i",
                                        "ili", "in", "o", "olo", "ori", "u", "una", "y"};
static const char *const endings[16] = {"dan", "dir", "dor", "gar", "las", "lia", "mir", "na",
                                        "neth", "ra", "ric", "rion", "sa", "thea", "thor", "wyn"};
static const char *const epithets[16] = {"Ashwalker", "Brightwater", "Cloudrider", "Dawnseeker",
                                         "Emberhand", "Frostmantle", "Greenleaf", "Highmoor",
                                         "Ironwood", "Kindlefire", "Longstride", "Moonshadow",
                                         "Nightsong", "Oakenheart", "Ravencloak", "Stormborn"};

// Text that grows in a block of the host's memory.
struct text {
    handle block;
    uint64_t capacity;
    uint64_t length;
};

static struct text new_text(uint64_t capacity) {
    return (struct text){.block = extism_alloc(capacity), .capacity = capacity, .length = 0};
}

static void append(struct text *text, const char *part) {
    for (; *part != '\0' && text->length < text->capacity; part++) {
        extism_store_u8(text->block + text->length++, (uint8_t)*part);
    }
}

// An error is always a whole block, so the block is as long as the message.
static int32_t fail(const char *message, uint64_t length) {
    struct text text = new_text(length);
    append(&text, message);
    extism_error_set(text.block);
    return 1;
}

EXPORT("GenerateCharacterName") int32_t generate_character_name(void) {
    static const char no_random[] = "the host gave no random numbers";
    uint16_t random;
    if (wasi_random_get(&random, sizeof random) != 0) {
        return fail(no_random, sizeof no_random - 1);
    }
    struct text name = new_text(64); // The longest one has 3 + 3 + 4 + 1 + 11 bytes.
    append(&name, openings[random & 15]);
    append(&name, middles[random >> 4 & 15]);
    append(&name, endings[random >> 8 & 15]);
    append(&name, " ");
    append(&name, epithets[random >> 12 & 15]);
    extism_output_set(name.block, name.length);
    return 0;
}

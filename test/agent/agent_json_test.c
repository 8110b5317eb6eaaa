/* The JSON parser and writer.
 * build: agent/common/json.c agent/common/text.c
 * sanitize: address,undefined
 */
#include "json.h"

#include "check.h"

static struct json_object object;
static const char *why;

/* Parses from memory of exactly this size, so that a read beyond the end is seen. */
static int parse(const char *text, size_t len)
{
    static char *copy;
    free(copy);
    copy = malloc(len + 1);
    memcpy(copy, text, len);
    copy[len] = '\0';
    return json_parse_flat(copy, len, &object, &why);
}

static int parse_text(const char *text)
{
    return parse(text, strlen(text));
}

static void takes_every_flat_type(void)
{
    CHECK_EQ(
        parse_text(" { \"a\" : 1 , \"b\":\"x\\n\\u00e9\\ud83d\\ude00\",\"c\":true,\"d\":null,\"e\":-1.5e3 } \r\n"), 0);
    CHECK_EQ(object.count, 5);
    CHECK_EQ(json_get(&object, "a")->integer, 1);
    CHECK_STR(json_get(&object, "b")->text, "x\n\xc3\xa9\xf0\x9f\x98\x80");
    CHECK_EQ(json_get(&object, "c")->boolean, 1);
    CHECK_EQ(json_get(&object, "d")->type, JSON_NULL);
    CHECK_EQ(json_get(&object, "e")->type, JSON_NUMBER);
    CHECK(json_get(&object, "f") == NULL);
    CHECK_EQ(parse_text("{}"), 0);
}

static void keeps_integers_exact(void)
{
    CHECK_EQ(parse_text("{\"a\":9007199254740991,\"b\":-9007199254740991,\"c\":9007199254740992,\"d\":1.0}"), 0);
    CHECK_EQ(json_get(&object, "a")->integer, INT64_C(9007199254740991));
    CHECK_EQ(json_get(&object, "b")->integer, -INT64_C(9007199254740991));
    CHECK_EQ(json_get(&object, "c")->type, JSON_NUMBER);
    CHECK_EQ(json_get(&object, "d")->type, JSON_NUMBER);
    int64_t value;
    CHECK_EQ(json_get_integer(&object, "a", 0, 5, &value), -1);
    CHECK_EQ(json_get_integer(&object, "z", 0, 5, &value), 0);
}

static void refuses_what_is_not_flat_json(void)
{
    static const char *const bad[] = {
        "",
        "{",
        "}",
        "[]",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{\"a\":1}}",
        "{\"a\":1} x",
        "{a:1}",
        "{\"a\":01}",
        "{\"a\":1.}",
        "{\"a\":-}",
        "{\"a\":1e}",
        "{\"a\":+1}",
        "{\"a\":tru}",
        "{\"a\":\"\\x\"}",
        "{\"a\":\"\\u12\"}",
        "{\"a\":\"\\ud800\"}",
        "{\"a\":\"\\ud800\\u0041\"}",
        "{\"a\":\"\\udc00\"}",
        "{\"a\":\"\\u0000\"}",
        "{\"a\":\"\t\"}",
        "{\"a\":\"x}",
        "{\"a\":\"\\",
        "{\"a\":\"\xff\"}",
        "{\"a\":\"\xc0\x80\"}",
        "{\"a\":\"\xed\xa0\x80\"}",
        "{\"a\":{}}",
        "{\"a\":[1]}",
        "{\"a\" 1}",
        "{\"a\":1 \"b\":2}",
        "nul",
        "{\"a\":nul}",
        "{\"a\":NaN}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        why = NULL;
        CHECK_THAT(parse_text(bad[i]) == -1, "%s was taken", bad[i]);
        CHECK_THAT(why != NULL, "%s has no reason", bad[i]);
    }
}

static void caps_the_number_of_fields(void)
{
    char text[4096] = "{";
    for (int i = 0; i <= JSON_FIELDS_MAX; i++) sprintf(text + strlen(text), "%s\"k%d\":%d", i ? "," : "", i, i);
    strcat(text, "}");
    CHECK_EQ(parse_text(text), -1);
}

/* Every prefix of a line, and the line with each byte changed: never beyond the buffer (the sanitizer watches). */
static void survives_damage(void)
{
    static const char line[] =
        "{\"id\":12,\"op\":\"h\\u00e9\\ud83d\\ude00\\\\\",\"b\":true,\"n\":null,\"f\":-1.5e+3,\"u\":\"\xe2\x82\xac\"}";
    for (size_t len = 0; len < sizeof line - 1; len++) CHECK_EQ(parse(line, len), -1);
    char copy[sizeof line];
    for (size_t i = 0; i < sizeof line - 1; i++) {
        for (int b = 0; b < 256; b++) {
            memcpy(copy, line, sizeof line);
            copy[i] = (char)b;
            parse(copy, sizeof line - 1);
        }
    }
    CHECK_EQ(parse_text(line), 0);
}

static void writes_what_it_reads(void)
{
    struct json_writer w;
    json_writer_init(&w, 4096);
    json_open(&w, '{');
    json_put_text(&w, "a\"b", "x\\y\n\x01 \xc3\xa9");
    json_put_known(&w, "n", false, 5);
    json_put_integer(&w, "i", -JSON_INTEGER_MAX);
    json_put_bool(&w, "t", true);
    json_close(&w, '}');
    CHECK(!w.failed);
    CHECK_EQ(parse(w.data, w.len), 0);
    CHECK_STR(json_get(&object, "a\"b")->text, "x\\y\n\x01 \xc3\xa9");
    CHECK_EQ(json_get(&object, "i")->integer, -JSON_INTEGER_MAX);
    json_writer_free(&w);
}

static void the_writer_stops_at_its_bound(void)
{
    struct json_writer w;
    json_writer_init(&w, 16);
    json_open(&w, '[');
    struct json_mark mark = json_mark(&w);
    json_text(&w, "far too long for sixteen bytes");
    CHECK(w.failed);
    CHECK(w.len <= 16);
    json_rewind(&w, mark);
    json_integer(&w, 7);
    json_close(&w, ']');
    CHECK(!w.failed);
    CHECK(w.len == 3 && memcmp(w.data, "[7]", 3) == 0);
    json_writer_free(&w);
}

static void finds_members_and_elements_of_nested_lines(void)
{
    static const char line[] =
        "{\"ev\":\"state\",\"x\":\"}]\\\"\",\"gpus\":[{\"a\":[1,{\"b\":2}]}, {\"a\":3} ],\"n\":4}";
    struct json_span all = {line, line + strlen(line)}, value, at = {NULL, NULL}, element;
    CHECK_EQ(json_member(all, "n", &value), 0);
    CHECK(value.end - value.start == 1 && *value.start == '4');
    CHECK_EQ(json_member(all, "none", &value), -1);
    CHECK_EQ(json_member(all, "gpus", &value), 0);
    CHECK_EQ(json_next(value, &at, &element), 1);
    CHECK_EQ(element.end - element.start, strlen("{\"a\":[1,{\"b\":2}]}"));
    CHECK_EQ(json_next(value, &at, &element), 1);
    CHECK_EQ(element.end - element.start, strlen("{\"a\":3}"));
    CHECK_EQ(json_next(value, &at, &element), 0);
    for (size_t len = 0; len < strlen(line); len++) {
        struct json_span part = {line, line + len};
        if (json_member(part, "n", &value) == 0) CHECK(value.end <= line + len);
    }
}

int main(void)
{
    RUN(takes_every_flat_type);
    RUN(keeps_integers_exact);
    RUN(refuses_what_is_not_flat_json);
    RUN(caps_the_number_of_fields);
    RUN(survives_damage);
    RUN(writes_what_it_reads);
    RUN(the_writer_stops_at_its_bound);
    RUN(finds_members_and_elements_of_nested_lines);
    parse("{}", 2);
    return check_done();
}

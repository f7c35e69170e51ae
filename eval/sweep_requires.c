/* sweep_requires.c – evaluates one constraint of a sweep, "build.anchors <= n / 10", by recursive descent; linear in its length.
 *
 *   any    = all { "or" all }          all  = test { "and" test }
 *   test   = sum [ ( "<=" | "<" | ">=" | ">" | "==" | "!=" | "divides" ) sum ]
 *   sum    = term { ("+" | "-") term }   term = factor { ("*" | "/") factor }
 *   factor = number | name | "sqrt" "(" sum ")" | "(" any ")" | "-" factor
 *
 * SPDX-License-Identifier: MIT */
#include "eval/sweep.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DEPTH = 64, MAX_NAME = 128 };
typedef enum { ABSENT, NUMBER, WORD, TRUTH } kind;
typedef struct {
    kind kind;
    double number; /* of a TRUTH: 0 or 1 */
    char word[MAX_NAME];
    bool is_parameter; /* build.*, query.* or method: what else is a WORD stands for itself */
} operand;
typedef struct {
    leann_ctx *ctx;
    const char *text, *at;
    const leann_facts *facts;
    bool applies, over_data;
    unsigned depth;
} parser;

static leann_status any(parser *p, operand *out);

static leann_status wrong(parser *p, const char *what)
{
    return leann_fail(p->ctx, LEANN_EINVAL, "requires \"%s\": %s at column %td", p->text, what, p->at - p->text + 1);
}

static void skip(parser *p)
{
    while (isspace((unsigned char)*p->at)) p->at++;
}

static bool symbol(parser *p, const char *text)
{
    skip(p);
    size_t n = strlen(text);
    if (strncmp(p->at, text, n)) return false;
    if (isalpha((unsigned char)text[0]) && (isalnum((unsigned char)p->at[n]) || p->at[n] == '_')) return false;
    p->at += n;
    return true;
}

static void operand_of(const leann_value *v, double n, operand *out)
{
    const char *word = NULL;
    *out = (operand){.kind = ABSENT};
    if (!leann_sweep_scalar(v, n, &out->number, &word)) return;
    out->kind = word ? WORD : NUMBER;
    if (word) strncpy(out->word, word, MAX_NAME - 1);
}

static leann_status name(parser *p, operand *out)
{
    const leann_facts *f = p->facts;
    const struct {
        const char *name;
        double value;
        bool of_data;
    } known[] = {{"n", f->n, true}, {"d", f->d, true}, {"queries", f->queries, true}, {"k", f->k, false}, {"seed", f->seed, false}};
    char word[MAX_NAME];
    size_t length = 0;
    for (;; length++) { /* a '-' belongs to a word when letters stand on both sides: stratified-kmeans */
        unsigned char c = (unsigned char)p->at[length];
        bool dash = c == '-' && length && isalpha((unsigned char)p->at[length - 1]) && isalpha((unsigned char)p->at[length + 1]);
        if (!isalnum(c) && c != '_' && c != '.' && !dash) break;
        if (length + 1 >= sizeof word) return wrong(p, "a name of more than 127 letters");
        word[length] = (char)c;
    }
    word[length] = 0;
    *out = (operand){.kind = WORD};
    if (!strncmp(word, "build.", 6) || !strncmp(word, "query.", 6)) {
        const leann_value *v = leann_sweep_path(word[0] == 'b' ? f->build : f->query, word + 6);
        operand_of(v, f->n, out);
        out->is_parameter = true;
        p->over_data |= leann_value_type(v) == LEANN_V_MAP && leann_value_get(v, "sqrt_n");
        if (out->kind == ABSENT) p->applies = false;
    } else if (strchr(word, '.')) {
        return wrong(p, "a name with dots that begins with neither build. nor query.");
    } else {
        out->is_parameter = !strcmp(word, "method");
        strcpy(out->word, out->is_parameter ? f->method : word);
        for (size_t i = 0; i < sizeof known / sizeof *known; i++)
            if (!strcmp(word, known[i].name)) {
                out->kind = NUMBER;
                out->number = known[i].value;
                p->over_data |= known[i].of_data;
            }
    }
    p->at += length;
    return LEANN_OK;
}

static leann_status need(parser *p, const operand *v, kind wanted)
{
    if (v->kind == wanted || v->kind == ABSENT) return LEANN_OK;
    return wrong(p, wanted == NUMBER ? "a number is wanted (known: n, d, queries, k, seed, build.*, query.*), not what ends"
                                     : "a comparison is wanted, not what ends");
}

static leann_status factor(parser *p, operand *out)
{
    leann_status s;
    if (++p->depth > MAX_DEPTH) return wrong(p, "more than 64 levels");
    skip(p);
    if (symbol(p, "(")) {
        if ((s = any(p, out))) return s;
        if (!symbol(p, ")")) return wrong(p, "')' is missing");
    } else if (symbol(p, "-")) {
        if ((s = factor(p, out)) || (s = need(p, out, NUMBER))) return s;
        out->number = -out->number;
    } else if (!strncmp(p->at, "sqrt", 4) && p->at[strspn(p->at + 4, " ") + 4] == '(') {
        p->at += 4;
        if ((s = factor(p, out)) || (s = need(p, out, NUMBER))) return s;
        out->number = sqrt(out->number);
    } else if (isdigit((unsigned char)*p->at) || *p->at == '.') {
        char *end;
        *out = (operand){.kind = NUMBER, .number = strtod(p->at, &end)};
        if (end == p->at) return wrong(p, "not a number");
        p->at = end;
    } else if (isalpha((unsigned char)*p->at)) {
        if ((s = name(p, out))) return s;
    } else {
        return wrong(p, *p->at ? "nothing that can begin a value" : "a value is missing");
    }
    p->depth--;
    return LEANN_OK;
}

static leann_status arithmetic(parser *p, operand *out, bool product)
{
    operand right;
    leann_status s = product ? factor(p, out) : arithmetic(p, out, true);
    while (!s) {
        bool straight = symbol(p, product ? "*" : "+"); /* else the inverse: division or subtraction */
        if (!straight && !symbol(p, product ? "/" : "-")) break;
        if ((s = need(p, out, NUMBER)) || (s = product ? factor(p, &right) : arithmetic(p, &right, true)) || (s = need(p, &right, NUMBER)))
            return s;
        if (out->kind == ABSENT || right.kind == ABSENT)
            out->kind = ABSENT;
        else if (product)
            out->number = straight ? out->number * right.number : out->number / right.number;
        else
            out->number = straight ? out->number + right.number : out->number - right.number;
    }
    return s;
}

static bool compare(const char *op, const operand *a, const operand *b)
{
    if (a->kind == WORD || b->kind == WORD) {
        bool equal = a->kind == b->kind && !strcmp(a->word, b->word);
        return op[0] == '=' ? equal : !equal;
    }
    double x = a->number, y = b->number;
    if (op[0] == 'd') return x != 0 && fmod(y, x) == 0;
    if (op[0] == '=') return x == y;
    if (op[0] == '!') return x != y;
    if (op[0] == '<') return op[1] ? x <= y : x < y;
    return op[1] ? x >= y : x > y;
}

/* "build" or "query": where a parameter of that name is; NULL: nowhere. */
static const char *parameter_of(const parser *p, const char *word)
{
    if (leann_sweep_path(p->facts->build, word)) return "build";
    return leann_sweep_path(p->facts->query, word) ? "query" : NULL;
}

/* A word on one side and no parameter on the other: "selector == kmeans" compares two words, which says nothing of any cell. */
static leann_status need_parameter(parser *p, const operand *left, const operand *right)
{
    char what[3 * MAX_NAME];
    const operand *bare = left->kind == WORD ? left : right;
    if (bare->kind != WORD || left->is_parameter || right->is_parameter) return LEANN_OK;
    if (right->kind == WORD && !parameter_of(p, bare->word)) bare = right;
    const char *room = parameter_of(p, bare->word);
    if (room)
        snprintf(what, sizeof what, "'%s' is a mere word; did you mean %s.%s? The comparison ends", bare->word, room, bare->word);
    else
        snprintf(what, sizeof what, "'%s' is a mere word (parameters are build.NAME and query.NAME); the comparison ends", bare->word);
    return wrong(p, what);
}

static leann_status test(parser *p, operand *out)
{
    static const char *const ops[] = {"<=", "<", ">=", ">", "==", "!=", "divides"};
    operand left, right;
    leann_status s = arithmetic(p, &left, false);
    if (s) return s;
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        if (!symbol(p, ops[i])) continue;
        if ((s = arithmetic(p, &right, false)) || (s = need_parameter(p, &left, &right))) return s;
        bool words = ops[i][0] == '=' || ops[i][0] == '!';
        if (!words && ((s = need(p, &left, NUMBER)) || (s = need(p, &right, NUMBER)))) return s;
        bool absent = left.kind == ABSENT || right.kind == ABSENT;
        *out = (operand){.kind = TRUTH, .number = absent || compare(ops[i], &left, &right)};
        return LEANN_OK;
    }
    *out = left; /* a sum in parentheses comes this way too */
    return LEANN_OK;
}

static leann_status joined(parser *p, operand *out, bool both)
{
    operand right;
    leann_status s = both ? test(p, out) : joined(p, out, true);
    while (!s && symbol(p, both ? "and" : "or")) {
        if ((s = need(p, out, TRUTH)) || (s = both ? test(p, &right) : joined(p, &right, true)) || (s = need(p, &right, TRUTH))) return s;
        bool truth = both ? out->number != 0 && right.number != 0 : out->number != 0 || right.number != 0;
        out->number = truth;
    }
    return s;
}

static leann_status any(parser *p, operand *out)
{
    return joined(p, out, false);
}

leann_status leann_requires(leann_ctx *ctx, const char *text, const leann_facts *facts, leann_verdict *verdict)
{
    parser p = {ctx, text, text, facts, true, false, 0};
    operand out = {.kind = ABSENT};
    leann_status s = any(&p, &out);
    if (s) return s;
    skip(&p);
    if (*p.at) return wrong(&p, "the text goes on");
    if (out.kind != TRUTH) return wrong(&p, "this is no comparison; it ends");
    *verdict = (leann_verdict){out.number != 0, p.applies, p.over_data};
    return LEANN_OK;
}

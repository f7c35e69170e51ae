/* text_language.c – the language of a text by its file's name, and with it how its structure shows.
 *
 * SPDX-License-Identifier: MIT */
#include "datasets/text.h"

#include <string.h>
#include <strings.h>

static const struct {
    leann_language language;
    const char *names; /* endings with their dot, and whole names, a space apart */
} table[] = {
    {{"other", LEANN_PROSE}, ""},
    {{"assembly", LEANN_CODE}, ".s .asm"},
    {{"c", LEANN_CODE}, ".c .h"},
    {{"cmake", LEANN_CODE}, ".cmake CMakeLists.txt"},
    {{"cpp", LEANN_CODE}, ".cc .cpp .cxx .hh .hpp .hxx .inl .ipp"},
    {{"csharp", LEANN_CODE}, ".cs"},
    {{"css", LEANN_CODE}, ".css .scss .less"},
    {{"cuda", LEANN_CODE}, ".cu .cuh"},
    {{"devicetree", LEANN_CODE}, ".dts .dtsi .dtso"},
    {{"docker", LEANN_CODE}, "Dockerfile .dockerfile"},
    {{"elixir", LEANN_CODE}, ".ex .exs"},
    {{"erlang", LEANN_CODE}, ".erl .hrl"},
    {{"fortran", LEANN_CODE}, ".f .f90 .f95 .f03 .for"},
    {{"go", LEANN_CODE}, ".go"},
    {{"haskell", LEANN_CODE}, ".hs"},
    {{"html", LEANN_PROSE}, ".html .htm .xhtml"},
    {{"java", LEANN_CODE}, ".java"},
    {{"javascript", LEANN_CODE}, ".js .jsx .mjs .cjs"},
    {{"json", LEANN_CODE}, ".json .jsonl .geojson"},
    {{"julia", LEANN_CODE}, ".jl"},
    {{"kconfig", LEANN_CODE}, "Kconfig Kbuild"},
    {{"kotlin", LEANN_CODE}, ".kt .kts"},
    {{"latex", LEANN_PROSE}, ".tex .sty .cls .bib"},
    {{"lisp", LEANN_CODE}, ".lisp .el .scm .clj"},
    {{"lua", LEANN_CODE}, ".lua"},
    {{"make", LEANN_CODE}, ".mk .mak Makefile makefile GNUmakefile"},
    {{"markdown", LEANN_MARKDOWN}, ".md .markdown .mdx"},
    {{"ocaml", LEANN_CODE}, ".ml .mli"},
    {{"perl", LEANN_CODE}, ".pl .pm .t"},
    {{"php", LEANN_CODE}, ".php"},
    {{"proto", LEANN_CODE}, ".proto"},
    {{"python", LEANN_CODE}, ".py .pyi .pyx .pxd"},
    {{"r", LEANN_CODE}, ".r"},
    {{"rst", LEANN_UNDERLINED}, ".rst .rest"},
    {{"ruby", LEANN_CODE}, ".rb .rake Rakefile Gemfile"},
    {{"rust", LEANN_CODE}, ".rs"},
    {{"scala", LEANN_CODE}, ".scala .sbt"},
    {{"shell", LEANN_CODE}, ".sh .bash .zsh .ksh .fish"},
    {{"sql", LEANN_CODE}, ".sql"},
    {{"swift", LEANN_CODE}, ".swift"},
    {{"text", LEANN_UNDERLINED}, ".txt .text README NEWS CHANGES COPYING LICENSE AUTHORS TODO INSTALL ChangeLog"},
    {{"toml", LEANN_CODE}, ".toml"},
    {{"typescript", LEANN_CODE}, ".ts .tsx .mts .cts"},
    {{"verilog", LEANN_CODE}, ".v .sv .svh"},
    {{"xml", LEANN_PROSE}, ".xml .svg .xsl .xsd"},
    {{"yaml", LEANN_CODE}, ".yml .yaml"},
    {{"zig", LEANN_CODE}, ".zig"},
};
enum { LANGUAGES = sizeof table / sizeof table[0] };

uint32_t leann_language_count(void)
{
    return LANGUAGES;
}

const leann_language *leann_language_at(uint32_t i)
{
    return i < LANGUAGES ? &table[i].language : NULL;
}

static bool listed(const char *names, const char *word, size_t bytes)
{
    for (; *names; names += *names == ' ') {
        size_t n = strcspn(names, " ");
        if (n == bytes && strncasecmp(names, word, n) == 0) return true;
        names += n;
    }
    return false;
}

uint32_t leann_language_of(const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path, *dot = strrchr(name, '.');
    for (uint32_t i = 0; i < LANGUAGES; i++) /* "CMakeLists.txt" is no text, so whole names go first */
        if (listed(table[i].names, name, strlen(name))) return i;
    for (uint32_t i = 0; dot && i < LANGUAGES; i++)
        if (listed(table[i].names, dot, strlen(dot))) return i;
    return 0;
}

/* h5.c – the calls of libhdf5 that reading needs, made inside the guard's child.
 *
 * SPDX-License-Identifier: MIT */
#include "datasets/h5.h"

#include <stdlib.h>
#include <string.h>

hid_t leann_h5_file(leann_guard *g, const char *path)
{
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    H5Pset_file_locking(access, false, true);
    hid_t file = H5Fopen(path, H5F_ACC_RDONLY, access);
    H5Pclose(access);
    if (file < 0)
        leann_guard_fail(g, LEANN_EFORMAT, "%s: not an HDF5 file, truncated or damaged: the HDF5 library cannot open it",
                         leann_guard_what(g));
    return file;
}

static leann_status element(leann_guard *g, hid_t type, leann_h5_shape *out)
{
    H5T_class_t class = H5Tget_class(type);
    size_t size = H5Tget_size(type);
    out->is_float = class == H5T_FLOAT;
    out->is_text = class == H5T_STRING;
    out->is_signed = class == H5T_INTEGER && H5Tget_sign(type) == H5T_SGN_2;
    if ((class != H5T_FLOAT && class != H5T_INTEGER && class != H5T_STRING) || size < 1 || size > 1 << 20)
        return leann_guard_fail(g, LEANN_EFORMAT, "%s: dataset %s holds neither numbers nor strings", leann_guard_what(g), out->name);
    out->size = (uint32_t)size;
    return LEANN_OK;
}

/* Whether the file's own bytes are what memory wants: IEEE or two's complement, little-endian. */
static bool native(hid_t type, const leann_h5_shape *s)
{
    static const int sizes[] = {1, 2, 4, 8};
    for (size_t i = 0; i < 4; i++)
        if ((int)s->size == sizes[i]) {
            hid_t floats[] = {-1, -1, H5T_IEEE_F32LE, H5T_IEEE_F64LE};
            hid_t signeds[] = {H5T_STD_I8LE, H5T_STD_I16LE, H5T_STD_I32LE, H5T_STD_I64LE};
            hid_t unsigneds[] = {H5T_STD_U8LE, H5T_STD_U16LE, H5T_STD_U32LE, H5T_STD_U64LE};
            hid_t want = s->is_float ? floats[i] : s->is_signed ? signeds[i] : unsigneds[i];
            hid_t one_byte = s->is_signed ? H5T_STD_I8BE : H5T_STD_U8BE;
            return (want >= 0 && H5Tequal(type, want) > 0) || (s->size == 1 && !s->is_float && H5Tequal(type, one_byte) > 0);
        }
    return false;
}

static leann_status layout(leann_guard *g, hid_t set, hid_t type, uint64_t file_bytes, leann_h5_shape *out)
{
    hid_t made = H5Dget_create_plist(set);
    H5D_layout_t how = made < 0 ? H5D_LAYOUT_ERROR : H5Pget_layout(made);
    int elsewhere = made < 0 ? 0 : H5Pget_external_count(made);
    if (made >= 0) H5Pclose(made);
    if (how == H5D_LAYOUT_ERROR || how == H5D_VIRTUAL || elsewhere != 0)
        return leann_guard_fail(g, LEANN_EUNSUPPORTED, "%s: dataset %s is virtual or stored in another file; copy it into this one",
                                leann_guard_what(g), out->name);
    uint64_t bytes = out->dims[0] * out->dims[1] * out->size;
    haddr_t at = how == H5D_CONTIGUOUS ? H5Dget_offset(set) : HADDR_UNDEF;
    if (how == H5D_CONTIGUOUS && bytes > 0 && at != HADDR_UNDEF && (bytes > file_bytes || at > file_bytes - bytes))
        return leann_guard_fail(g, LEANN_EFORMAT, "%s: dataset %s (%llu bytes at %llu) goes past the end of the file (%llu bytes)",
                                leann_guard_what(g), out->name, (unsigned long long)bytes, (unsigned long long)at,
                                (unsigned long long)file_bytes);
    if (how == H5D_CONTIGUOUS && bytes > 0 && at == HADDR_UNDEF)
        return leann_guard_fail(g, LEANN_EFORMAT, "%s: dataset %s was never written", leann_guard_what(g), out->name);
    out->direct = how == H5D_CONTIGUOUS && bytes > 0 && !out->is_text && native(type, out) && at % out->size == 0;
    out->offset = at;
    return LEANN_OK;
}

leann_status leann_h5_describe(leann_guard *g, hid_t file, const char *name, uint64_t file_bytes, leann_h5_shape *out)
{
    leann_status status = LEANN_OK;
    hid_t set = -1, space = -1, type = -1;
    memset(out, 0, sizeof *out);
    if (strlen(name) >= sizeof out->name)
        return leann_guard_fail(g, LEANN_EINVAL, "%s: dataset name of %zu characters, at most %zu", leann_guard_what(g), strlen(name),
                                sizeof out->name - 1);
    memcpy(out->name, name, strlen(name) + 1);
    H5L_info_t link;
    if (H5Lget_info(file, name, &link, H5P_DEFAULT) < 0 || (link.type != H5L_TYPE_HARD && link.type != H5L_TYPE_SOFT)) return LEANN_OK;
    H5O_info_t object;
    if (link.type == H5L_TYPE_SOFT || H5Oget_info_by_name2(file, name, &object, H5O_INFO_BASIC, H5P_DEFAULT) < 0)
        return leann_guard_fail(g, LEANN_EFORMAT, "%s: %s is a link or is damaged, not a dataset", leann_guard_what(g), name);
    if (object.type != H5O_TYPE_DATASET) return LEANN_OK;
    set = H5Dopen2(file, name, H5P_DEFAULT);
    space = set < 0 ? -1 : H5Dget_space(set);
    type = set < 0 ? -1 : H5Dget_type(set);
    int rank = space < 0 ? -1 : H5Sget_simple_extent_ndims(space);
    hsize_t dims[H5S_MAX_RANK] = {0};
    if (type < 0 || rank < 0 || H5Sget_simple_extent_dims(space, dims, NULL) < 0) {
        status = leann_guard_fail(g, LEANN_EFORMAT, "%s: dataset %s is damaged", leann_guard_what(g), name);
        goto done;
    }
    if (rank < 1 || rank > 2) {
        status = leann_guard_fail(g, LEANN_EINVAL, "%s: dataset %s has rank %d, at most 2", leann_guard_what(g), name, rank);
        goto done;
    }
    out->there = true;
    out->rank = (uint32_t)rank;
    out->dims[0] = dims[0];
    out->dims[1] = rank == 2 ? dims[1] : 1;
    if ((status = element(g, type, out)) != LEANN_OK) goto done;
    if (out->dims[1] && out->dims[0] > (UINT64_MAX >> 8) / out->dims[1] / out->size) {
        status = leann_guard_fail(g, LEANN_EFORMAT, "%s: dataset %s of %llu x %llu cannot be", leann_guard_what(g), name,
                                  (unsigned long long)out->dims[0], (unsigned long long)out->dims[1]);
        goto done;
    }
    status = layout(g, set, type, file_bytes, out);
done:
    if (type >= 0) H5Tclose(type);
    if (space >= 0) H5Sclose(space);
    if (set >= 0) H5Dclose(set);
    return status;
}

leann_status leann_h5_spill(leann_guard *g, hid_t file, const leann_h5_shape *shape, hid_t as, uint64_t *offset)
{
    leann_status status = LEANN_OK;
    size_t size = H5Tget_size(as);
    uint64_t row = shape->dims[1] * size, block = row ? (8u << 20) / row : 1;
    if (block < 1) block = 1;
    if (block > shape->dims[0]) block = shape->dims[0];
    void *rows = malloc(block * row + 1);
    hid_t set = H5Dopen2(file, shape->name, H5P_DEFAULT), space = set < 0 ? -1 : H5Dget_space(set), part = -1;
    if (!rows || space < 0) {
        status = leann_guard_fail(g, rows ? LEANN_EFORMAT : LEANN_ENOMEM, "%s: cannot read dataset %s", leann_guard_what(g), shape->name);
        goto done;
    }
    *offset = 0;
    for (uint64_t i = 0; i < shape->dims[0]; i += block) {
        uint64_t now = shape->dims[0] - i < block ? shape->dims[0] - i : block;
        hsize_t start[2] = {i, 0}, count[2] = {now, shape->dims[1]};
        part = H5Screate_simple((int)shape->rank, count, NULL);
        if (part < 0 || H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, count, NULL) < 0 ||
            H5Dread(set, as, part, space, H5P_DEFAULT, rows) < 0) {
            status = leann_guard_fail(g, LEANN_EFORMAT, "%s: dataset %s is damaged: rows %llu to %llu cannot be read", leann_guard_what(g),
                                      shape->name, (unsigned long long)i, (unsigned long long)(i + now - 1));
            goto done;
        }
        H5Sclose(part);
        part = -1;
        if ((status = leann_guard_append(g, rows, now * row, i == 0, i == 0 ? offset : NULL)) != LEANN_OK) goto done;
    }
done:
    if (part >= 0) H5Sclose(part);
    if (space >= 0) H5Sclose(space);
    if (set >= 0) H5Dclose(set);
    free(rows);
    return status;
}

leann_status leann_h5_word(leann_guard *g, hid_t file, const char *name, char *out, size_t bytes)
{
    leann_status status = LEANN_OK;
    hid_t attribute = -1, type = -1, space = -1;
    char *text = NULL, *fixed = NULL;
    out[0] = 0;
    if (H5Aexists(file, name) <= 0) return LEANN_OK;
    attribute = H5Aopen(file, name, H5P_DEFAULT);
    type = attribute < 0 ? -1 : H5Aget_type(attribute);
    space = attribute < 0 ? -1 : H5Aget_space(attribute);
    if (space < 0 || type < 0) {
        status = leann_guard_fail(g, LEANN_EFORMAT, "%s: attribute %s is damaged", leann_guard_what(g), name);
        goto done;
    }
    size_t size = H5Tget_size(type);
    if (H5Tget_class(type) != H5T_STRING || H5Sget_simple_extent_npoints(space) != 1 || size > 64u << 20) goto done;
    bool varying = H5Tis_variable_str(type) > 0;
    if (!varying && !(fixed = calloc(1, size + 1))) {
        status = leann_guard_fail(g, LEANN_ENOMEM, "%s: attribute %s of %zu bytes does not fit memory", leann_guard_what(g), name, size);
        goto done;
    }
    if (H5Aread(attribute, type, varying ? (void *)&text : (void *)fixed) < 0) {
        status = leann_guard_fail(g, LEANN_EFORMAT, "%s: attribute %s is damaged", leann_guard_what(g), name);
        goto done;
    }
    const char *found = varying ? text : fixed;
    if (found && strlen(found) >= bytes)
        status = leann_guard_fail(g, LEANN_EFORMAT, "%s: attribute %s has %zu characters, at most %zu", leann_guard_what(g), name,
                                  strlen(found), bytes - 1);
    else if (found)
        memcpy(out, found, strlen(found) + 1);
done:
    if (text) H5free_memory(text);
    free(fixed);
    if (space >= 0) H5Sclose(space);
    if (type >= 0) H5Tclose(type);
    if (attribute >= 0) H5Aclose(attribute);
    return status;
}

bool leann_h5_has_group(hid_t file, const char *name)
{
    H5L_info_t link;
    return H5Lexists(file, name, H5P_DEFAULT) > 0 && H5Lget_info(file, name, &link, H5P_DEFAULT) >= 0 && link.type == H5L_TYPE_HARD;
}

bool leann_h5_put_text(hid_t file, const char *name, const char *text)
{
    hid_t type = H5Tcopy(H5T_C_S1), space = H5Screate(H5S_SCALAR);
    H5Tset_size(type, H5T_VARIABLE);
    H5Tset_cset(type, H5T_CSET_UTF8);
    hid_t attribute = H5Acreate2(file, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    bool done = attribute >= 0 && H5Awrite(attribute, type, &text) >= 0;
    if (attribute >= 0) H5Aclose(attribute);
    H5Sclose(space);
    H5Tclose(type);
    return done;
}

bool leann_h5_put_int(hid_t file, const char *name, int64_t number)
{
    hid_t space = H5Screate(H5S_SCALAR);
    hid_t attribute = H5Acreate2(file, name, H5T_STD_I64LE, space, H5P_DEFAULT, H5P_DEFAULT);
    bool done = attribute >= 0 && H5Awrite(attribute, H5T_NATIVE_INT64, &number) >= 0;
    if (attribute >= 0) H5Aclose(attribute);
    H5Sclose(space);
    return done;
}

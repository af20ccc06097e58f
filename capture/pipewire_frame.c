#include "capture/pipewire_frame.h"

#include <spa/buffer/buffer.h>
#include <spa/buffer/meta.h>
#include <spa/param/video/raw.h>

#define OLD_US 1000000 /* a picture cannot be older: then its clock is another one */

static bool is_rgb(enum spa_video_format format)
{
    return format == SPA_VIDEO_FORMAT_RGBx || format == SPA_VIDEO_FORMAT_RGBA;
}

static const void *find_meta(const struct spa_buffer *b, uint32_t type, size_t size)
{
    for (uint32_t i = 0; i < b->n_metas; i++) {
        if (b->metas[i].type == type && b->metas[i].size >= size)
            return b->metas[i].data;
    }
    return NULL;
}

/* The part of the buffer that holds the window, where the source says so: windows change their size
 * without a new format. False if nothing is left of it. */
static bool crop(struct pipewire_frame *out, const struct spa_buffer *b,
                 const struct spa_video_info_raw *format)
{
    const struct picture_rect all = {0, 0, (int)format->size.width, (int)format->size.height};
    struct picture_rect rect = all;
    const struct spa_meta_region *meta =
        find_meta(b, SPA_META_VideoCrop, sizeof(struct spa_meta_region));
    if (meta) {
        const struct spa_region region = meta->region;
        if (region.size.width > 0 && region.size.height > 0 &&
            region.size.width <= PICTURE_MAX_WIDTH && region.size.height <= PICTURE_MAX_HEIGHT &&
            region.position.x >= 0 && region.position.x < all.width && region.position.y >= 0 &&
            region.position.y < all.height)
            rect = picture_rect_clip(&(struct picture_rect){region.position.x, region.position.y,
                                                            (int)region.size.width,
                                                            (int)region.size.height},
                                     all.width, all.height);
    }
    out->left = rect.x;
    out->top = rect.y;
    out->width = rect.width & ~1;
    out->height = rect.height & ~1;
    return out->width >= 2 && out->height >= 2;
}

/* Some sources leave the stride out. */
static bool find_pixels(struct pipewire_frame *out, const struct spa_buffer *b,
                        const struct spa_video_info_raw *format)
{
    const struct spa_data *data = &b->datas[0];
    if (!data->data || !data->chunk)
        return false;
    const volatile struct spa_chunk *shared = data->chunk;
    const uint32_t offset = shared->offset, size = shared->size;
    const int32_t stride = shared->stride, flags = shared->flags;
    const uint64_t row = (uint64_t)format->size.width * 4;
    const uint64_t step = stride == 0 ? row : (uint64_t)(stride < 0 ? 0 : stride);
    if ((flags & SPA_CHUNK_FLAG_CORRUPTED) || size == 0 || step < row)
        return false;
    if (offset + step * (format->size.height - 1) + row > data->maxsize)
        return false;
    out->stride = (ptrdiff_t)step;
    out->pixels =
        (const uint8_t *)data->data + offset + (size_t)out->top * step + (size_t)out->left * 4;
    return true;
}

static void read_header(struct pipewire_frame *out, const struct spa_meta_header *h, int64_t now_us)
{
    const int64_t us = h->pts / 1000;
    out->sequence = h->seq;
    out->taken_us = us <= now_us && us > now_us - OLD_US ? us : 0;
}

/* Known only if it says anything: a list without entries may mean all. */
static void read_damage(struct pipewire_frame *out, const struct spa_buffer *b)
{
    const struct spa_meta *meta = NULL;
    for (uint32_t i = 0; i < b->n_metas && !meta; i++) {
        if (b->metas[i].type == SPA_META_VideoDamage)
            meta = &b->metas[i];
    }
    const size_t n = meta ? meta->size / sizeof(struct spa_meta_region) : 0;
    const struct spa_meta_region *list = meta ? meta->data : NULL;
    for (size_t i = 0; i < n; i++) {
        const struct spa_region r = list[i].region;
        if (r.size.width == 0 || r.size.height == 0)
            return;
        /* far outside it would overflow; and what it means is anybody's guess */
        const bool sane = r.position.x > -PICTURE_MAX_WIDTH && r.position.x < PICTURE_MAX_WIDTH &&
                          r.position.y > -PICTURE_MAX_HEIGHT && r.position.y < PICTURE_MAX_HEIGHT &&
                          r.size.width <= PICTURE_MAX_WIDTH && r.size.height <= PICTURE_MAX_HEIGHT;
        if (!sane) {
            out->damage = (struct picture_damage){0};
            return;
        }
        out->damage.known = true;
        const struct picture_rect rect = picture_rect_clip(
            &(struct picture_rect){r.position.x - out->left, r.position.y - out->top,
                                   (int)r.size.width, (int)r.size.height},
            out->width, out->height);
        picture_damage_add(&out->damage, &rect);
    }
}

bool pipewire_frame_read(struct pipewire_frame *out, const struct spa_buffer *buffer,
                         const struct spa_video_info_raw *format, int64_t now_us)
{
    *out = (struct pipewire_frame){.is_rgb = is_rgb(format->format)};
    if (buffer->n_datas < 1 || format->size.width < 2 || format->size.width > PICTURE_MAX_WIDTH ||
        format->size.height < 2 || format->size.height > PICTURE_MAX_HEIGHT)
        return false;
    const struct spa_meta_header *shared =
        find_meta(buffer, SPA_META_Header, sizeof(struct spa_meta_header));
    if (shared) {
        const struct spa_meta_header header = *shared;
        if (header.flags & SPA_META_HEADER_FLAG_CORRUPTED)
            return false;
        read_header(out, &header, now_us);
    }
    if (!crop(out, buffer, format) || !find_pixels(out, buffer, format))
        return false;
    read_damage(out, buffer);
    return true;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Video and sound against what ffmpeg 5.1 and ffprobe 5.1 recorded (tests/data/media/make.py). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/hash.h"
#include "base/rng.h"
#include "io/audio.h"
#include "io/decoder.h"
#include "io/video.h"
#include "tests/check.h"

enum { MAX = 64 };

typedef struct recorded {
    char name[32];
    int width, height, num, den, count;
    long long pts[MAX];
    int key[MAX];
    char sha[MAX][65];
} recorded;

static const char *in_folder(const char *name) {
    static char path[96];
    snprintf(path, sizeof path, "media/%s", name);
    return check_data(path);
}

static bool next_recorded(recorded *r, char **rest) {
    char *line = strtok_r(NULL, "\n", rest);
    if (!line || sscanf(line, "%31s %d %d %d/%d %d", r->name, &r->width, &r->height, &r->num, &r->den, &r->count) != 6 || r->count > MAX) return false;
    for (int i = 0; i < r->count; i++)
        if (!(line = strtok_r(NULL, "\n", rest)) || sscanf(line, "%lld %d %64s", &r->pts[i], &r->key[i], r->sha[i]) != 3) return false;
    return true;
}

static void for_each(void (*test)(const recorded *r)) {
    lb_buf list = {0};
    CHECK_OK(lb_file_read(&list, in_folder("video.txt"), 0));
    lb_buf text = {0};
    lb_buf_text(&text, "\n\n");
    lb_buf_text(&text, lb_buf_str(&list));
    char *rest = text.data;
    recorded r;
    int files = 0;
    while (next_recorded(&r, &rest)) {
        check_begin("%s", r.name);
        test(&r);
        check_end();
        files++;
    }
    CHECK_INT(files, 11);
    lb_buf_free(&list);
    lb_buf_free(&text);
}

static void same_frame(const lb_image *img, const recorded *r, int64_t i) {
    char sha[65];
    CHECK_INT(img->width, r->width);
    CHECK_INT(img->height, r->height);
    lb_sha256_of(img->pixels, (size_t)img->width * (size_t)img->height * 3, sha);
    if (!CHECK(strcmp(sha, r->sha[i]) == 0)) printf("     frame %lld\n", (long long)i);
}

static void one_after_the_other(const recorded *r) {
    for (int threads = 1; threads <= 2; threads++) {
        lb_video *v = NULL;
        lb_video_options o = {.threads = threads};
        if (!CHECK_OK(lb_video_open(&v, in_folder(r->name), &o))) return;
        bool end = false;
        for (int64_t i = 0;; i++) {
            lb_video_frame f;
            lb_image img = {0};
            if (!CHECK_OK(lb_video_next(&f, &img, &end, v)) || end) {
                CHECK_INT(i, r->count);
                break;
            }
            if (!CHECK(i < r->count)) break;
            CHECK_INT(f.pts, r->pts[i]);
            same_frame(&img, r, i);
            lb_image_free(&img);
        }
        lb_video_close(v);
    }
}

static void sequential(void) { for_each(one_after_the_other); }

static void indexed(const recorded *r) {
    lb_video *v = NULL;
    int64_t count = 0;
    int num, den;
    if (!CHECK_OK(lb_video_open(&v, in_folder(r->name), NULL)) || !CHECK_OK(lb_video_count(&count, v))) return lb_video_close(v);
    CHECK_INT(count, r->count);
    lb_video_time_base(v, &num, &den);
    CHECK_INT(num, r->num);
    CHECK_INT(den, r->den);
    for (int64_t i = 0; i < count && i < r->count; i++) {
        lb_video_frame f;
        int64_t found = -1;
        CHECK_OK(lb_video_at(&f, v, i));
        CHECK_INT(f.pts, r->pts[i]);
        CHECK_INT(f.key, r->key[i]);
        CHECK_OK(lb_video_find(&found, v, f.time_us));
        CHECK_INT(found, i);
        CHECK_OK(lb_video_find(&found, v, f.time_us + f.duration_us - 1000));
        CHECK_INT(found, i);
    }
    lb_rng g = lb_rng_make(9, 0);
    int64_t at = 0;
    for (int k = 0; k < 60 && !check_failed(); k++) { /* near and far, forward and back, the same one twice */
        int64_t kind = lb_rng_below(&g, 4);
        at = kind == 0 ? at : kind == 1 ? (at + 1) % r->count : kind == 2 ? (at + 3) % r->count : lb_rng_below(&g, r->count);
        lb_image img = {0};
        if (CHECK_OK(lb_video_read(&img, v, at))) same_frame(&img, r, at);
        lb_image_free(&img);
    }
    for (int k = 0; k < 40 && !check_failed(); k++) { /* at random places one after the other, now and then the frames behind */
        at = k % 8 < 6 ? lb_rng_below(&g, r->count) : (at + 1) % r->count;
        lb_image img = {0};
        if (CHECK_OK(lb_video_read(&img, v, at))) same_frame(&img, r, at);
        lb_image_free(&img);
    }
    lb_video_close(v);
}

static void by_index(void) { for_each(indexed); }

static void chosen(const recorded *r) {
    static const struct {
        const char *kind;
        double amount;
    } ways[] = {{"all", 0}, {"uniform", 4}, {"uniform", 99}, {"fps", 7}, {"fps", 100}, {"key", 0}, {"key", 2}};
    lb_video *v = NULL;
    if (!CHECK_OK(lb_video_open(&v, in_folder(r->name), NULL))) return;
    for (size_t k = 0; k < LB_COUNT(ways); k++) {
        int64_t *list = NULL, n = 0, rises = 0;
        if (!CHECK_OK(lb_video_choose(&list, &n, v, ways[k].kind, ways[k].amount))) continue;
        int keys = 0;
        for (int i = 0; i < r->count; i++) keys += r->key[i];
        if (k == 1) {
            CHECK_INT(n, 4);
            for (int64_t i = 0; i < 4; i++) CHECK_INT(list[i], (2 * i + 1) * r->count / 8);
        }
        if (k == 2) CHECK_INT(n, r->count);
        if (k == 5) CHECK_INT(n, keys);
        if (k == 3)
            for (int64_t i = 0; i < n; i++) { /* the last frame that begins at or before first + i / 7 s */
                int want = 0;
                for (int j = 0; j < r->count; j++)
                    if ((double)(r->pts[j] - r->pts[0]) * r->num * 7 <= (double)i * r->den + 1e-6) want = j;
                CHECK_INT(list[i], want);
            }
        for (int64_t i = 0; i < n; i++)
            if (i == 0 || list[i] > list[i - 1]) list[rises++] = list[i];
        CHECK_OK(lb_video_select(v, list, rises));
        bool end = false;
        for (int64_t i = 0; i < rises; i++) {
            lb_image img = {0};
            lb_video_frame f;
            if (!CHECK_OK(lb_video_next(&f, &img, &end, v)) || !CHECK(!end)) break;
            CHECK_INT(f.index, list[i]);
            same_frame(&img, r, list[i]);
            lb_image_free(&img);
        }
        CHECK_OK(lb_video_next(NULL, NULL, &end, v));
        CHECK(end);
        lb_free(list);
    }
    lb_video_close(v);
}

static void choices(void) { for_each(chosen); }

static void limits_and_damage(void) {
    lb_video *v = NULL;
    lb_image img = {0};
    int64_t n = 0, live = lb_alloc_live();
    lb_video_options o = {.max_frames = 20};
    CHECK_OK(lb_video_open(&v, in_folder("b-frames.mp4"), &o));
    CHECK_FAILS(lb_video_count(&n, v), LB_E_LIMIT, "more than 20 frames");
    lb_video_close(v);
    o = (lb_video_options){.max_seconds = 1};
    CHECK_OK(lb_video_open(&v, in_folder("b-frames.mp4"), &o));
    CHECK_FAILS(lb_video_count(&n, v), LB_E_LIMIT, "limit is 1 s");
    lb_video_close(v);
    o = (lb_video_options){.max_pixels = 100};
    v = NULL;
    CHECK_FAILS(lb_video_open(&v, in_folder("b-frames.mp4"), &o), LB_E_FORMAT, "b-frames.mp4");
    CHECK_OK(lb_video_open(&v, in_folder("b-frames.mp4"), NULL));
    CHECK_FAILS(lb_video_read(&img, v, 40), LB_E_ARG, "frame 40 of 40");
    CHECK_FAILS(lb_video_select(v, (int64_t[]){3, 3}, 2), LB_E_ARG, "must rise");
    lb_video_close(v);
    v = NULL;
    CHECK_FAILS(lb_video_open(&v, in_folder("bad-cut.mp4"), NULL), LB_E_FORMAT, "bad-cut.mp4");
    CHECK_FAILS(lb_video_open(&v, in_folder("lame.mp3"), NULL), LB_E_UNSUPPORTED, "no video stream");
    CHECK_FAILS(lb_video_open(&v, check_data("image/rgb.png"), NULL), LB_E_UNSUPPORTED, "");
    CHECK_OK(lb_video_open(&v, in_folder("bad-middle.mkv"), NULL)); /* what is not damaged can be read */
    if (CHECK_OK(lb_video_count(&n, v)) && CHECK(n > 5) && CHECK_OK(lb_video_read(&img, v, 2))) lb_image_free(&img);
    lb_video_close(v);
    lb_audio a = {0};
    CHECK_FAILS(lb_audio_read(&a, in_folder("no-times.avi"), NULL), LB_E_UNSUPPORTED, "no sound");
    CHECK_FAILS(lb_audio_read(&a, in_folder("lame.mp3"), &(lb_audio_options){.max_seconds = 0.1}), LB_E_LIMIT, "0 s of sound");
    CHECK_FAILS(lb_audio_read(&a, in_folder("lame.mp3"), &(lb_audio_options){.rate_hz = -1}), LB_E_ARG, "-1 Hz");
    CHECK_FAILS(lb_image_read_rgb(&img, in_folder("b-frames.mp4"), NULL), LB_E_UNSUPPORTED, "is video, not a picture");
    CHECK_INT(lb_alloc_live(), live);
}

/* Whole numbers are equal; floats by libswresample may be summed in another order on another processor: a few roundings of values below 1. */
static void same_sound(const lb_audio *a, const uint8_t *want, int64_t n, int channels, bool sixteen) {
    CHECK_INT(a->frames, n);
    CHECK_INT(a->channels, channels);
    if (check_failed()) return;
    double worst = 0;
    for (int64_t i = 0; i < n; i++)
        for (int c = 0; c < channels; c++) {
            int16_t s;
            float f;
            memcpy(&s, want + 2 * (i * channels + c), sizeof s);
            if (!sixteen) memcpy(&f, want + 4 * (i * channels + c), sizeof f);
            double e = fabs((double)a->samples[c * n + i] - (sixteen ? s / 32768.0 : (double)f));
            if (e > worst) worst = e;
        }
    CHECK(worst <= (sixteen ? 0 : 1e-6));
}

static void sounds(void) {
    lb_buf list = {0}, samples = {0};
    CHECK_OK(lb_file_read(&list, in_folder("audio.txt"), 0));
    CHECK_OK(lb_file_read(&samples, in_folder("audio.bin"), 0));
    char *rest = NULL;
    int files = 0;
    for (char *line = strtok_r(list.data, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest), files++) {
        char name[32];
        int rate, channels, sixteen, made;
        long long n, at;
        if (!CHECK(sscanf(line, "%31s %d %d %d %lld %d %lld", name, &rate, &channels, &sixteen, &n, &made, &at) == 7)) break;
        check_begin("%s-%d-%d", name, rate, sixteen);
        lb_audio a = {0}, part = {0};
        lb_audio_options o = {.rate_hz = rate, .channels = channels, .sixteen = sixteen};
        if (CHECK_OK(lb_audio_read(&a, in_folder(name), &o))) same_sound(&a, (const uint8_t *)samples.data + at, n, made, sixteen);
        o.start_s = 0.05, o.length_s = 0.03;
        if (CHECK_OK(lb_audio_read(&part, in_folder(name), &o))) { /* a part is the same samples */
            int64_t from = llround(0.05 * a.rate_hz), want = llround(0.03 * a.rate_hz);
            CHECK_INT(part.frames, want);
            for (int c = 0; c < made && !check_failed(); c++) CHECK(memcmp(part.samples + c * want, a.samples + c * n + from, (size_t)want * 4) == 0);
        }
        lb_audio_free(&a);
        lb_audio_free(&part);
        check_end();
    }
    CHECK_INT(files, 26);
    lb_buf_free(&list);
    lb_buf_free(&samples);
}

static void infos(void) {
    lb_media_info m;
    CHECK_OK(lb_media_probe(&m, in_folder("b-frames.mp4")));
    CHECK_TEXT(m.kind, "video");
    CHECK_TEXT(m.codec, "h264");
    CHECK_TEXT(m.sound, "aac");
    CHECK_INT(m.width, 64);
    CHECK_INT(m.frames, 40);
    CHECK(fabs(m.rate_hz - 25) < 1e-9 && fabs(m.duration_s - 1.6) < 1e-6);
    CHECK_HAS(m.note, "bt709");
    CHECK_OK(lb_media_probe(&m, in_folder("turned.mp4")));
    CHECK(m.orientation == 6 || m.orientation == 8);
    CHECK_OK(lb_media_probe(&m, in_folder("stereo-44k.wav")));
    CHECK_TEXT(m.kind, "audio");
    CHECK_INT(m.channels, 2);
    CHECK_INT((int64_t)m.rate_hz, 44100);
    CHECK_INT(m.frames, 17640);
    CHECK_OK(lb_media_probe(&m, in_folder("opus.opus")));
    CHECK_TEXT(m.codec, "opus");
    CHECK_OK(lb_media_probe(&m, in_folder("aac.m4a")));
    CHECK_TEXT(m.kind, "audio");
    lb_video *v = NULL;
    lb_image img = {0};
    CHECK_OK(lb_video_open(&v, in_folder("turned.mp4"), &(lb_video_options){.keep_orientation = true}));
    if (CHECK_OK(lb_video_read(&img, v, 0))) CHECK_INT(img.width, 64);
    lb_image_free(&img);
    lb_video_close(v);
}

int main(int argc, char **argv) {
    return check_main(
        argc, argv, "media",
        (check_test[]){
            {"sequential", sequential}, {"index", by_index}, {"choices", choices}, {"sound", sounds}, {"limits", limits_and_damage}, {"infos", infos}, {0}});
}

/* SPDX-License-Identifier: Apache-2.0 */
/* FFmpeg's functions, found when the first file is opened with it: its hundred libraries take more than half of the time in which a program starts, and most
 * runs open neither video nor sound. Private to io. */
#ifndef LB_IO_AV_LATE_H
#define LB_IO_AV_LATE_H
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/channel_layout.h>
#include <libavutil/imgutils.h>
#include <libavutil/log.h>
#include <libavutil/pixdesc.h>
#include <libswresample/swresample.h>
#include <libswscale/swscale.h>
#include <stdbool.h>
#include "base/status.h"
LB_BEGIN

#define LBI_AVUTIL(F) \
    F(av_channel_layout_compare) F(av_channel_layout_copy) F(av_channel_layout_default) F(av_channel_layout_uninit) F(av_color_space_name) \
    F(av_frame_alloc) F(av_frame_free) F(av_frame_get_buffer) F(av_free) F(av_freep) F(av_get_pix_fmt_name) F(av_image_copy_plane) F(av_log_set_callback) \
    F(av_malloc) F(av_pix_fmt_desc_get) F(av_read_image_line) F(av_rescale_q) F(av_strdup) F(av_strerror)
#define LBI_AVCODEC(F) \
    F(av_get_bits_per_sample) F(av_new_packet) F(av_packet_alloc) F(av_packet_free) F(av_packet_unref) F(avcodec_alloc_context3) F(avcodec_find_decoder) \
    F(avcodec_flush_buffers) F(avcodec_free_context) F(avcodec_get_name) F(avcodec_open2) F(avcodec_parameters_alloc) F(avcodec_parameters_free) \
    F(avcodec_parameters_to_context) F(avcodec_receive_frame) F(avcodec_send_packet)
#define LBI_AVFORMAT(F) \
    F(av_find_best_stream) F(av_find_input_format) F(av_read_frame) F(av_seek_frame) F(av_stream_get_side_data) F(avformat_alloc_context) \
    F(avformat_close_input) F(avformat_find_stream_info) F(avformat_open_input) F(avio_alloc_context) F(avio_context_free)
#define LBI_SWRESAMPLE(F) \
    F(swr_alloc_set_opts2) F(swr_convert) F(swr_free) F(swr_init)
#define LBI_SWSCALE(F) \
    F(sws_freeContext) F(sws_getCachedContext) F(sws_getCoefficients) F(sws_getColorspaceDetails) F(sws_getContext) F(sws_scale) \
    F(sws_setColorspaceDetails)

#define LBI_AV_FIELD(name) __typeof__(&name) name; /* lbi_ff.name has the type that the header gives it */
typedef struct lbi_av_calls {
    bool ready; /* else all are NULL */
    LBI_AVUTIL(LBI_AV_FIELD)
    LBI_AVCODEC(LBI_AV_FIELD)
    LBI_AVFORMAT(LBI_AV_FIELD)
    LBI_SWRESAMPLE(LBI_AV_FIELD)
    LBI_SWSCALE(LBI_AV_FIELD)
} lbi_av_calls;
extern lbi_av_calls lbi_ff;

/* Once in a process, by any thread. LB_E_UNSUPPORTED names the library that is not there. */
LB_MUST_USE lb_status lbi_av_load(void);

LB_END
#endif

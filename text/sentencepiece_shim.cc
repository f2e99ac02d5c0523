/* SPDX-License-Identifier: Apache-2.0 */
#include "text/sentencepiece_shim.h"
#include <sentencepiece_processor.h>
#include <cstdio>
#include <exception>
#include <new>

struct lbi_sentencepiece {
    sentencepiece::SentencePieceProcessor processor;
};

lbi_sentencepiece *lbi_sentencepiece_open(const void *bytes, size_t size, char *why, size_t why_size) {
    lbi_sentencepiece *s = nullptr;
    try {
        s = new lbi_sentencepiece;
        const auto status = s->processor.LoadFromSerializedProto(absl::string_view(static_cast<const char *>(bytes), size));
        if (status.ok()) return s;
        snprintf(why, why_size, "%s", status.ToString().c_str());
    } catch (const std::exception &e) {
        snprintf(why, why_size, "%s", e.what());
    }
    delete s;
    return nullptr;
}

void lbi_sentencepiece_close(lbi_sentencepiece *s) { delete s; }

int lbi_sentencepiece_count(const lbi_sentencepiece *s) { return s->processor.GetPieceSize(); }

const char *lbi_sentencepiece_piece(const lbi_sentencepiece *s, int id, size_t *size) {
    const std::string &piece = s->processor.IdToPiece(id);
    *size = piece.size();
    return piece.c_str();
}

bool lbi_sentencepiece_is_control(const lbi_sentencepiece *s, int id) { return s->processor.IsControl(id); }

bool lbi_sentencepiece_encode(const lbi_sentencepiece *s, const char *text, size_t size, void (*give)(void *ctx, int id, size_t begin, size_t end), void *ctx) {
    try {
        const auto result = s->processor.EncodeAsImmutableProto(absl::string_view(text, size));
        for (size_t i = 0; i < result.pieces_size(); i++) {
            const auto piece = result.pieces(static_cast<int>(i));
            give(ctx, static_cast<int>(piece.id()), piece.begin(), piece.end());
        }
        return true;
    } catch (const std::exception &) {
        return false;
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/crew.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#ifdef LB_MPI
#include <mpi.h>
#endif

static bool number(const char *name, int64_t *out) {
    const char *word = getenv(name);
    long long value;
    char end;
    if (!word || sscanf(word, "%lld%c", &value, &end) != 1) return false;
    *out = value;
    return true;
}

/* Of Slurm only steps (srun) have tasks: a batch script by itself is one process, whatever it asked for. */
static const char *const launchers[][2] = {
    {"SLURM_PROCID", "SLURM_STEP_NUM_TASKS"}, {"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"}, {"PMI_RANK", "PMI_SIZE"}, {"MV2_COMM_WORLD_RANK", "MV2_COMM_WORLD_SIZE"}};

bool cli_launched(int64_t *rank, int64_t *count) {
    int64_t i, n;
    for (size_t k = 0; k < LB_COUNT(launchers); k++) {
        if (!number(launchers[k][0], &i) || !number(launchers[k][1], &n) || n < 1 || i < 0 || i >= n) continue;
        *rank = i;
        *count = n;
        return true;
    }
    return false;
}

#ifdef LB_MPI
enum { PIECE = 1 << 20 }; /* numbers that travel at once */

static lb_status told(int code, const char *what) {
    char text[MPI_MAX_ERROR_STRING];
    int n = 0;
    if (code == MPI_SUCCESS) return LB_OK;
    MPI_Error_string(code, text, &n);
    return lb_fail(LB_E_IO, "%s: %.*s", what, n, text);
}

static lb_status gather(void *ctx, const void *mine, size_t bytes, void *all) {
    const lb_crew *crew = ctx;
    lb_status st = LB_OK;
    char *piece = NULL;
    if (bytes <= PIECE) return told(MPI_Allgather(mine, (int)bytes, MPI_BYTE, all, (int)bytes, MPI_BYTE, MPI_COMM_WORLD), "MPI_Allgather");
    if (!(piece = lb_alloc(PIECE, (size_t)crew->count))) return LB_E_NOMEM;
    for (size_t at = 0; at < bytes && st == LB_OK; at += PIECE) {
        size_t n = bytes - at < PIECE ? bytes - at : PIECE;
        st = told(MPI_Allgather((const char *)mine + at, (int)n, MPI_BYTE, piece, (int)n, MPI_BYTE, MPI_COMM_WORLD), "MPI_Allgather");
        for (int r = 0; r < crew->count; r++) memcpy((char *)all + bytes * (size_t)r + at, piece + n * (size_t)r, n);
    }
    lb_free(piece);
    return st;
}

/* Each process adds up its part of the numbers in the order of ranks, then all have the parts: the sums do not hang on how MPI would reduce. */
static lb_status sum(void *ctx, lb_real *x, int64_t n) {
    const lb_crew *crew = ctx;
    lb_status st = LB_OK;
    int64_t count = crew->count, most = PIECE / count * count;
    lb_real *out = lb_alloc((size_t)most, 2 * sizeof *out), *in = out ? out + most : NULL;
    if (!out) return LB_E_NOMEM;
    for (int64_t at = 0; at < n && st == LB_OK; at += most) {
        int64_t all = n - at < most ? n - at : most, part = (all + count - 1) / count;
        memset(out, 0, (size_t)(part * count) * sizeof *out);
        memcpy(out, x + at, (size_t)all * sizeof *out);
        int bytes = (int)(part * (int64_t)sizeof *out);
        st = told(MPI_Alltoall(out, bytes, MPI_BYTE, in, bytes, MPI_BYTE, MPI_COMM_WORLD), "MPI_Alltoall");
        for (int64_t r = 1; r < count; r++)
            for (int64_t i = 0; i < part; i++) in[i] += in[r * part + i];
        if (st == LB_OK) st = told(MPI_Allgather(in, bytes, MPI_BYTE, out, bytes, MPI_BYTE, MPI_COMM_WORLD), "MPI_Allgather");
        memcpy(x + at, out, (size_t)all * sizeof *out);
    }
    lb_free(out);
    return st;
}

/* Of the others only what went wrong is told, with who it was. */
static int own_rank;

static void sink(void *ctx, lb_log_level level, const char *component, const char *text) {
    (void)ctx;
    if (level >= LB_LOG_WARN) fprintf(stderr, "%s: process %d: %s\n", component, own_rank, text);
}

lb_status cli_crew_open(lb_crew *out) {
    lb_status st = LB_OK;
    int64_t rank, count;
    int given;
    *out = (lb_crew){.count = 1};
    if (!cli_launched(&rank, &count) || count == 1) return LB_OK;
    LB_TRY(told(MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &given), "MPI_Init_thread"));
    LB_TRY(told(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler"));
    LB_TRY(told(MPI_Comm_rank(MPI_COMM_WORLD, &out->rank), "MPI_Comm_rank"));
    LB_TRY(told(MPI_Comm_size(MPI_COMM_WORLD, &out->count), "MPI_Comm_size"));
    if (out->count != count) {
        st = lb_fail(LB_E_UNSUPPORTED, "the launcher started %lld processes, MPI sees %d: is the launcher of another MPI than %s?", (long long)count, out->count, cli_crew_library());
        goto done;
    }
    out->gather = gather;
    out->sum = sum;
    out->ctx = out;
    own_rank = out->rank;
    if (out->rank > 0) lb_log_set(sink, NULL);
done:
    return st;
}

void cli_crew_close(const lb_crew *crew, lb_status st) {
    if (crew->count <= 1) return;
    if (st != LB_OK && st != LB_E_CANCELLED) {
        lb_say(LB_LOG_ERROR, "train", "%s", lb_error_text());
        fflush(NULL);
        (void)MPI_Abort(MPI_COMM_WORLD, 1);
    }
    (void)MPI_Finalize();
}

lb_status cli_crew_wait(const lb_crew *crew) { return crew->count > 1 ? told(MPI_Barrier(MPI_COMM_WORLD), "MPI_Barrier") : LB_OK; }

const char *cli_crew_library(void) {
    static char text[MPI_MAX_LIBRARY_VERSION_STRING];
    int n = 0;
    if (MPI_Get_library_version(text, &n) != MPI_SUCCESS) return "MPI";
    text[strcspn(text, ",\n")] = 0;
    return text;
}
#else
lb_status cli_crew_open(lb_crew *out) {
    int64_t rank, count;
    *out = (lb_crew){.count = 1};
    if (!cli_launched(&rank, &count) || count == 1) return LB_OK;
    return lb_fail(LB_E_UNSUPPORTED, "a launcher started %lld processes, but this build has no MPI (Debian: libopenmpi-dev, then build again)", (long long)count);
}

void cli_crew_close(const lb_crew *crew, lb_status st) { (void)crew, (void)st; }

lb_status cli_crew_wait(const lb_crew *crew) { return (void)crew, LB_OK; }

const char *cli_crew_library(void) { return NULL; }
#endif

/* The tagger (lorentznet/tagger.h) for C and everything that calls C. No exception crosses it. */
#ifndef LORENTZNET_C_H
#define LORENTZNET_C_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Changes if a function or a struct of this file does. */
#define LORENTZNET_ABI_VERSION 1

typedef struct lorentznet_tagger lorentznet_tagger;
typedef struct lorentznet_workspace lorentznet_workspace;

/* What a network takes besides four-momenta. */
enum { LORENTZNET_NOTHING = 0, LORENTZNET_PDG_IDS = 1, LORENTZNET_SCALARS = 2 };

typedef struct {
  int32_t constituents; /* one of the above */
  int32_t scalars;      /* S of LORENTZNET_SCALARS, or 0 */
  int32_t classes;      /* K probabilities a jet */
} lorentznet_inputs;

/* A jet of n constituents. */
typedef struct {
  int64_t n;
  const double* p4;      /* [n, 4] (E, px, py, pz) in GeV */
  const int32_t* pdg_id; /* [n], or NULL */
  const double* scalars; /* [n, S], or NULL */
} lorentznet_jet;

/* jets with constituents offsets[j] to offsets[j+1] - 1. */
typedef struct {
  int64_t jets;
  const int64_t* offsets; /* [jets+1], from 0, rising */
  const double* p4;       /* [offsets[jets], 4] */
  const int32_t* pdg_id;  /* [offsets[jets]], or NULL */
  const double* scalars;  /* [offsets[jets], S], or NULL */
} lorentznet_jets;

/* LORENTZNET_ABI_VERSION of the library that runs. */
int32_t lorentznet_abi_version(void);

/* NULL if that fails: see lorentznet_last_error. args_json may be NULL (TaggerOptions). */
lorentznet_tagger* lorentznet_open(const char* checkpoint, const char* args_json);
/* NULL is allowed. */
void lorentznet_close(lorentznet_tagger* tagger);
/* Why the last lorentznet_open or lorentznet_workspace_new of this thread failed: one line. */
const char* lorentznet_last_error(void);

lorentznet_inputs lorentznet_get_inputs(const lorentznet_tagger* tagger);
/* JSON, and SHA-256; they live as long as the tagger. */
const char* lorentznet_metadata(const lorentznet_tagger* tagger);
const char* lorentznet_fingerprint(const lorentznet_tagger* tagger);

/* One for each thread. NULL if there is no memory. */
lorentznet_workspace* lorentznet_workspace_new(void);
void lorentznet_workspace_free(lorentznet_workspace* workspace);

/* Writes K probabilities. Returns 0, or a status of which lorentznet_reason tells the words; then
   the probabilities are NaN. */
int32_t lorentznet_score(const lorentznet_tagger* tagger, const lorentznet_jet* jet,
                         float* probabilities, lorentznet_workspace* workspace);
/* Writes [jets, K] probabilities and, unless it is NULL, a status for each jet. Returns the number
   of jets that were not scored. */
int64_t lorentznet_score_many(const lorentznet_tagger* tagger, const lorentznet_jets* jets,
                              float* probabilities, int32_t* status,
                              lorentznet_workspace* workspace);
const char* lorentznet_reason(int32_t status);

#ifdef __cplusplus
}
#endif

#endif

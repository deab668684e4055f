/* Scores the jets of a text file with a trained network: score_jets best-val-model.pt jets.txt
 *
 * In the file a jet is the number of its constituents, then E, px, py and pz [GeV] of each and, if
 * the network takes it (quark/gluon), its PDG id. Prints a line a jet, the probabilities. */
#include <lorentznet/c.h>
#include <stdio.h>
#include <stdlib.h>

#define MOST 4096 /* constituents of a jet */

static double p4[4 * MOST];
static int32_t pdg_id[MOST];

/* 1 for a jet, 0 at the end of the file, -1 if what follows is no jet. */
static int read_jet(FILE* file, int with_ids, int* count) {
  const int found = fscanf(file, "%d", count);
  if (found != 1) return found == EOF ? 0 : -1;
  if (*count < 0 || *count > MOST) return -1;
  for (int i = 0; i < *count; ++i) {
    double* p = p4 + 4 * i;
    int id = 0;
    if (fscanf(file, "%lf %lf %lf %lf", p, p + 1, p + 2, p + 3) != 4) return -1;
    if (with_ids && fscanf(file, "%d", &id) != 1) return -1;
    pdg_id[i] = id;
  }
  return 1;
}

/* NULL, or why a jet could not be scored. */
static const char* score_jets(const lorentznet_tagger* tagger, FILE* file,
                              lorentznet_workspace* workspace, float* probabilities) {
  const lorentznet_inputs inputs = lorentznet_get_inputs(tagger);
  const int with_ids = inputs.constituents == LORENTZNET_PDG_IDS;
  int count = 0;
  int found;
  while ((found = read_jet(file, with_ids, &count)) == 1) {
    const lorentznet_jet jet = {count, p4, with_ids ? pdg_id : NULL, NULL};
    const int32_t status = lorentznet_score(tagger, &jet, probabilities, workspace);
    if (status != 0) return lorentznet_reason(status);
    for (int k = 0; k < inputs.classes; ++k) {
      printf(k == 0 ? "%.9g" : " %.9g", probabilities[k]); /* all digits of a float */
    }
    printf("\n");
  }
  return found == 0 ? NULL : "something else than jets, or too many constituents";
}

int main(int argc, char** argv) {
  if (argc != 3) {
    fprintf(stderr, "usage: score_jets CHECKPOINT JETS\n");
    return 2;
  }
  lorentznet_tagger* tagger = lorentznet_open(argv[1], NULL);
  lorentznet_workspace* workspace = lorentznet_workspace_new(); /* memory for one thread */
  if (tagger == NULL || workspace == NULL) {
    fprintf(stderr, "%s\n", lorentznet_last_error());
    return 2;
  }
  FILE* file = fopen(argv[2], "r");
  float* probabilities = malloc(sizeof(float) * (size_t)lorentznet_get_inputs(tagger).classes);
  if (file == NULL || probabilities == NULL) {
    perror(argv[2]);
    return 2;
  }
  const char* trouble = score_jets(tagger, file, workspace, probabilities);
  if (trouble != NULL) fprintf(stderr, "%s: %s\n", argv[2], trouble);
  free(probabilities);
  fclose(file);
  lorentznet_workspace_free(workspace);
  lorentznet_close(tagger);
  return trouble == NULL ? 0 : 2;
}

// How the search of the documentation orders what it finds. The numbers are those of Sphinx; a decision
// comes after the pages for users, since it is for those who change the code.
var Scorer = {
  score: ([page, , , , score]) => (page.startsWith("decisions/") ? score - 20 : score),
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};

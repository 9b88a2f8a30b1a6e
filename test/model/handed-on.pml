/*
 * A key that is handed on to other sites (PROTOCOL §8): two rosters, dealers, votes, receipts, and the end of the old
 * shares. Old sites 0 and 1 are honest and hold epoch 0 with a liar, two of the three sign; new sites 2 and 3 are honest
 * and receive epoch A with the same liar, two of the three sign. B is another reshare of epoch 0, to sites that are not
 * modelled: it comes true as soon as all of its dealers dealt. One honest site may crash and return. Until `healed` the
 * liar votes and gives receipts to whom it likes and messages pass or not; then it is silent, and whatever one honest
 * site holds reaches the others.
 *
 * Checked: at every moment the honest sites alone hold a quorum of some epoch, and one of them can show that it came true;
 * no old share goes before as many honest sites as a quorum needs use the new epoch; a site that says that it left is
 * right that nothing came of its dealing; A and B do not both come true; and in the end all honest new sites use A, or
 * none does. Each of these macros takes one rule away, and spin must then find a state that breaks this:
 *
 *   DEAL_TWICE        a site that dealt its share away deals in another reshare of the same epoch
 *   FEW_DEALERS       only t of the old sites deal: one of the honest in A, the other one in B, the liar in both
 *   FREE_BY_ONE       a dealer is free once one new site left, which a liar may say and vote
 *   LEAVE_AFTER_DEAL  a site that dealt its share away may say that it left
 *   RETIRE_ON_READY   an old share goes with the ready set, without receipts
 *   FEWER_RECEIPTS    an old share goes after t' receipts, and a liar's may be one of them
 *   QUORUM_IS_READY   t' votes are a ready set
 *   VOTE_AFTER_ABORT  a new site that left votes
 */
#define SITES 4
#define ALL 7
#define LIAR 4
#define A 1
#define B 2
/* A vote's bit, of a new site. */
#define bitOf(x) ((x) == 2 -> 1 : 2)
#define COUNT(mask) (((mask) & 1) + (((mask) >> 1) & 1) + (((mask) >> 2) & 1))

/* On disk: the old share; where the site dealt; whether a new share is staged, voted for, in use; whether it left. */
bit old[2] = 1;
byte dealt[2];
bit staged[SITES], voted[SITES], uses[SITES], left[SITES];
/* In memory, until a site uses the new epoch or destroyed its share: votes and receipts that it has seen. */
byte votes[SITES], receipts[SITES];
bit crashed, healed;
byte k;

#ifdef FEW_DEALERS
#define dealersOf(e) ((e) == A -> dealt[0] == A : dealt[1] == B)
#define deals(x, e) ((x) == (e) - 1)
#else
#define dealersOf(e) (((dealt[0] & (e)) != 0) && ((dealt[1] & (e)) != 0))
#define deals(x, e) true
#endif
/* Two new sites left, of which the liar may be one: what was dealt binds no more. */
#ifdef FREE_BY_ONE
#define givenUp true
#else
#define givenUp (left[2] || left[3])
#endif
#ifdef DEAL_TWICE
#define mayDeal(x, e) (deals(x, e) && (dealt[x] & (e)) == 0 && !left[x])
#else
#define mayDeal(x, e) (deals(x, e) && (dealt[x] == 0 || givenUp) && (dealt[x] & (e)) == 0 && !left[x])
#endif
#ifdef LEAVE_AFTER_DEAL
#define mayLeaveOld(x) (!left[x])
#else
#define mayLeaveOld(x) (!left[x] && (dealt[x] == 0 || givenUp))
#endif
#ifdef QUORUM_IS_READY
#define isReady(mask) (COUNT(mask) >= 2)
#else
#define isReady(mask) ((mask) == ALL)
#endif
#ifdef VOTE_AFTER_ABORT
#define mayVote(x) (staged[x] && !voted[x])
#else
#define mayVote(x) (staged[x] && !voted[x] && !left[x])
#endif
#if defined(RETIRE_ON_READY)
#define enough(mask) true
#elif defined(FEWER_RECEIPTS)
#define enough(mask) (COUNT(mask) >= 2)
#else
#define enough(mask) (COUNT(mask) >= 3)
#endif

#define cameTrue (isReady(votes[0]) || isReady(votes[1]) || isReady(votes[2]) || isReady(votes[3]))
#define quorumOld (old[0] && old[1])
#define quorumNew (staged[2] && staged[3] && cameTrue)

inline check() {
  assert(quorumOld || quorumNew);
  assert(!(cameTrue && dealersOf(B)));
  assert(!((left[0] && dealt[0] == A || left[1] && dealt[1] == A) && cameTrue));
  assert(!(left[2] && voted[2] || left[3] && voted[3]))
}

inline deal(x, e) { printf("deal %d %d\n", x, e); dealt[x] = dealt[x] | (e); check() }
inline stage(x) { printf("stage %d\n", x); staged[x] = 1 }
inline vote(x) { printf("vote %d\n", x); voted[x] = 1; votes[x] = votes[x] | bitOf(x); check() }
inline leave(x) { printf("leave %d\n", x); left[x] = 1; check() }
inline use(x) { printf("use %d\n", x); uses[x] = 1; receipts[x] = receipts[x] | bitOf(x); check() }
inline retire(x) {
  printf("retire %d\n", x);
  /* Two honest new sites, and two are needed. */
  assert(uses[2] && uses[3]);
  old[x] = 0;
  check()
}
inline tell(from, to) {
  printf("tell %d %d\n", from, to);
  votes[to] = votes[to] | votes[from];
  receipts[to] = receipts[to] | receipts[from];
  check()
}
inline crash(x) {
  printf("crash %d\n", x);
  crashed = 1;
  if
  :: x < 2 -> votes[x] = 0; receipts[x] = 0
  :: else -> votes[x] = (uses[x] -> votes[x] : (voted[x] -> bitOf(x) : 0)); receipts[x] = (uses[x] -> bitOf(x) : 0)
  fi
}
#define learns(to, from) ((votes[from] & ~votes[to]) != 0 || (receipts[from] & ~receipts[to]) != 0)

#define LIES(x) \
  :: d_step { !healed && (votes[x] & LIAR) == 0 -> printf("liar votes to %d\n", x); votes[x] = votes[x] | LIAR; check() } \
  :: d_step { !healed && (receipts[x] & LIAR) == 0 -> printf("liar receipts to %d\n", x); receipts[x] = receipts[x] | LIAR } \
  :: d_step { !healed && !crashed && (x >= 2 || old[x]) -> crash(x) }
#define OLD(x) \
  LIES(x) \
  :: d_step { !healed && mayDeal(x, A) -> deal(x, A) } \
  :: d_step { !healed && mayDeal(x, B) -> deal(x, B) } \
  :: d_step { !healed && mayLeaveOld(x) -> leave(x) } \
  :: d_step { old[x] && isReady(votes[x]) && enough(receipts[x]) -> retire(x) }
#define NEW(x) \
  LIES(x) \
  :: d_step { !healed && !staged[x] && !left[x] && dealersOf(A) -> stage(x) } \
  :: d_step { !healed && mayVote(x) && staged[2] && staged[3] -> vote(x) } \
  :: d_step { !healed && !voted[x] && !left[x] -> leave(x) } \
  :: d_step { voted[x] && !uses[x] && isReady(votes[x]) -> use(x) }
#define TELLS(x) \
  :: d_step { x != 0 && learns(0, x) -> tell(x, 0) } \
  :: d_step { x != 1 && learns(1, x) -> tell(x, 1) } \
  :: d_step { x != 2 && learns(2, x) -> tell(x, 2) } \
  :: d_step { x != 3 && learns(3, x) -> tell(x, 3) }

init {
  do
  OLD(0) OLD(1) NEW(2) NEW(3)
  TELLS(0) TELLS(1) TELLS(2) TELLS(3)
  :: d_step { !healed -> printf("heal\n"); healed = 1 }
  :: else -> break
  od;
  skip;
  assert(uses[2] == uses[3])
#ifdef REACH
  assert(old[0] || old[1])
#endif
}

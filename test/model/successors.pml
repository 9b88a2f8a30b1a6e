/*
 * Successors of an installed epoch, up to the end of the old shares (PROTOCOL §8): base, rivals, supersede, install,
 * receipts, destroy. Three sites, threshold two; sites 0 and 1 are honest and hold epoch 0, and site 2 lies. One honest
 * site may crash and return. All successors are dealt to the same three sites. Until `healed` the liar says what it likes
 * and messages pass or not; then it is silent, and whatever one honest site holds reaches the other.
 *
 *   A   base 0
 *   B   base 0: a rival of A
 *   C   base 0, and names A: it may be voted for while A is undecided, and stands before A where both come true
 *   D   base A, and names C: it may be voted for while C is undecided, by a site that was shown that A came true
 *
 * Checked: at every moment the honest sites alone hold a quorum of some epoch, and one of them can show that it came true;
 * no old share goes before as many honest sites as a quorum needs use a newer epoch; and in the end all honest sites use
 * the same one. Each of these macros takes one rule away, and spin must then find a state that breaks this:
 *
 *   VOTE_FOR_RIVAL       a site votes for two successors of one epoch of which neither names the other
 *   FORGET_UNDECIDED     D does not name C, and a site votes for it while C is undecided there
 *   FIRST_STANDS         a site that uses one successor never goes on to the one that supersedes it
 *   DROP_VOTED           a voted shard goes with the vote for what supersedes it
 *   DESTROY_ON_INSTALL   an old share goes with the site's own installation
 *   FEWER_RECEIPTS       an old share goes after t receipts, and a liar's may be one of them
 */
#define HONEST 2
#define OTHER 2
#define RECEIPTS_NEEDED 2 /* min(n', 2t'-1) = 3, less the liar's, which may be there from the first */
#define ALL 7
#define BIT(x) (1 << (x))
#define COUNT(mask) (((mask) & 1) + (((mask) >> 1) & 1))
#define A 1
#define B 2
#define C 3
#define D 4

#ifdef FORGET_UNDECIDED
#define NAMED_BY_D 0
#else
#define NAMED_BY_D BIT(C)
#endif
#define base(e) ((e) == D -> A : 0)
#define names(e) ((e) == C -> BIT(A) : ((e) == D -> NAMED_BY_D : 0))
/* All that a record comes after: its base, what that came after, and what it names. */
#define after(e) \
  ((e) == A || (e) == B -> BIT(0) : ((e) == C -> BIT(0) | BIT(A) : ((e) == D -> BIT(0) | BIT(A) | NAMED_BY_D : 0)))

/* On disk: epochs whose shares it holds, records that it voted for, epochs that it has used, and the one that it uses. */
byte shares[HONEST] = BIT(0);
byte voted[HONEST];
byte installed[HONEST] = BIT(0);
byte current[HONEST];

/* In memory: the sites whose votes and receipts for a record it has seen. */
byte votes[HONEST * 5];
byte receipts[HONEST * 5];
#define VOTES(x, e) votes[(x) * 5 + (e)]
#define RECEIPTS(x, e) receipts[(x) * 5 + (e)]

bit crashed, healed;
byte k, e;

/* All four at once are too many states; B and D never meet, since each is voted for on another base. */
#ifdef RIVAL
#define RIVAL_OR_D B
#else
#define RIVAL_OR_D D
#endif

#define has(mask, e) (((mask) & BIT(e)) != 0)
#define undecided(x) (voted[x] & ~(BIT(current[x]) | after(current[x])))

#if defined(VOTE_FOR_RIVAL)
#define minds(x, e) (base(e) == 0 -> 0 : undecided(x) & ~names(e))
#elif defined(FORGET_UNDECIDED)
#define minds(x, e) ((e) == D -> 0 : undecided(x) & ~names(e))
#else
#define minds(x, e) (undecided(x) & ~names(e))
#endif
#define mayVote(x, e) (!has(voted[x], e) && base(e) == current[x] && minds(x, e) == 0)

#ifdef FIRST_STANDS
#define goesOn(x, e) (base(e) == current[x])
#else
#define goesOn(x, e) has(after(e), current[x])
#endif
#define mayInstall(x, e) (has(shares[x], e) && VOTES(x, e) == ALL && (e) != current[x] && goesOn(x, e))

#if defined(DESTROY_ON_INSTALL)
#define enough(x) true
#elif defined(FEWER_RECEIPTS)
#define enough(x) (COUNT(RECEIPTS(x, current[x])) >= RECEIPTS_NEEDED - 1)
#else
#define enough(x) (COUNT(RECEIPTS(x, current[x])) >= RECEIPTS_NEEDED)
#endif
#define mayDestroy(x) (current[x] != 0 && (shares[x] & after(current[x])) != 0 && enough(x))

#define cameTrue(e) ((e) == 0 || VOTES(0, e) == ALL || VOTES(1, e) == ALL)
#define quorum(e) (has(shares[0], e) && has(shares[1], e) && cameTrue(e))

inline check() { assert(quorum(0) || quorum(A) || quorum(B) || quorum(C) || quorum(D)) }

inline vote(x, e) {
  printf("vote %d %d\n", x, e);
#ifdef DROP_VOTED
  shares[x] = shares[x] & ~names(e);
#endif
  shares[x] = shares[x] | BIT(e);
  voted[x] = voted[x] | BIT(e);
  VOTES(x, e) = VOTES(x, e) | BIT(x);
  check()
}

inline install(x, e) {
  printf("install %d %d\n", x, e);
  current[x] = e;
  installed[x] = installed[x] | BIT(e);
  RECEIPTS(x, e) = RECEIPTS(x, e) | BIT(x);
  check()
}

inline destroy(x) {
  printf("destroy %d before %d\n", x, current[x]);
  for (k : 0 .. HONEST - 1) {
    /* Two honest sites, and two are needed. */
    assert((shares[x] & after(current[x]) & ~after(current[k])) == 0)
  }
  k = 0;
  shares[x] = shares[x] & ~after(current[x]);
  check()
}

inline crash(x) {
  printf("crash %d\n", x);
  crashed = 1;
  for (k : A .. D) {
    if
    :: !has(installed[x], k) ->
      VOTES(x, k) = (has(voted[x], k) -> BIT(x) : 0);
      RECEIPTS(x, k) = 0
    :: else -> RECEIPTS(x, k) = BIT(x)
    fi
  }
  k = 0
}

inline tell(from, to, e) {
  printf("show %d %d %d\n", from, to, e);
  VOTES(to, e) = VOTES(to, e) | VOTES(from, e);
  RECEIPTS(to, e) = RECEIPTS(to, e) | RECEIPTS(from, e)
}

#define learns(to, from, e) ((VOTES(from, e) & ~VOTES(to, e)) != 0 || (RECEIPTS(from, e) & ~RECEIPTS(to, e)) != 0)

#define RECORD(x, e) \
  :: d_step { !healed && mayVote(x, e) -> vote(x, e) } \
  :: d_step { mayInstall(x, e) -> install(x, e) } \
  :: d_step { !healed && !has(VOTES(x, e), OTHER) -> printf("liar votes %d to %d\n", e, x); VOTES(x, e) = VOTES(x, e) | BIT(OTHER) } \
  :: d_step { learns(1 - (x), x, e) -> tell(x, 1 - (x), e) }
#define SITE(x) \
  RECORD(x, A) RECORD(x, RIVAL_OR_D) RECORD(x, C) \
  :: d_step { mayDestroy(x) -> destroy(x) } \
  :: d_step { !healed && !crashed -> crash(x) }

init {
  do
  SITE(0) SITE(1)
  :: d_step { !healed -> printf("heal\n"); healed = 1 }
  :: else -> break
  od;
  skip;
  assert(current[0] == current[1])
#ifdef REACH
  assert(current[0] != D || has(shares[0], 0) || has(shares[0], C))
#endif
}

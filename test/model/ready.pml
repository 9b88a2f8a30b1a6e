/*
 * One key generation up to its decision (PROTOCOL §8): attempts, ready votes, aborts, the ready set, install, undecided.
 *
 * Three sites, threshold two. Sites 0 and 1 are honest and site 2 lies; with -DTHIEF all three are honest, and somebody
 * has stolen the note key of site 2. One honest site may crash and return. Until `healed`, the liar says what it likes to
 * whom it likes, and the relays pass what they like. After that the liar is silent, and one of two ways is open for ever:
 * channels between sites that are all there, or notes, where a site that has its key may have gone and left its note.
 *
 * Checked: no honest site says that no key was made while another has one; in the end all honest sites have the same key or
 * none has any; and where they meet again, a key that one of them and the liar voted for is made, unless an honest one left.
 * Each of these macros takes one rule away, and spin must then find a state that breaks the check:
 *
 *   ABORT_WINS           after its vote a site ends on an abort that it sees
 *   NO_VOTES_IN_NOTES    readers take only aborts from notes
 *   NO_SET_IN_HELLO      a site shows its peers its own vote, and not the other votes that it holds
 *   VOTE_AFTER_ABORT     a site that ended on an abort votes all the same
 *   VOTE_NOT_DURABLE     a vote is said before it is on disk
 *   FIRST_VOTE_ONLY      of two votes of one site only the first is ever taken
 *   ATTEMPT_AFTER_VOTE   a site that voted takes part in another attempt
 *   DROP_AFTER_VOTE      a site that voted drops its staged shard when it sees an abort
 *   DROP_OLDER           a site that begins an attempt drops the shard of the one before
 *   FOLLOW_ONE           a site that began an attempt follows a single vote for the record of the one before
 */
#define N 3
#define ALL 7
#define OTHER 2
#ifdef THIEF
#define HONEST 3
#else
#define HONEST 2
#endif

#define BIT(site) (1 << (site))
/* Records are numbered by attempt, 1 and 2; 0 is none. */
#define VOTES(site, record) votes[(site) * 2 + (record) - 1]
#define NOTED(site, record) noted[(site) * 2 + (record) - 1]

/* On disk. */
byte begun[N]; /* The attempt that it began last. */
byte staged[N]; /* Records whose shard it holds, as bits. */
byte voted[N];
byte installed[N];
bit left[N];   /* Ended before any vote: it never votes, and says that no key was made. */
bit gaveUp[N]; /* Ended after its vote. No rule allows it. */

/* In memory: the sites whose votes and aborts it has seen. */
byte votes[N * 2];
byte aborts[N];

/* What stands in each site's note, and the sites that have gone for good. */
byte noted[N * 2];
bit notedAbort[N];
bit gone[N];

byte attempt;        /* The last that all honest sites signed. */
byte everStaged[3];  /* Sites that staged a shard for this record. */
bit crashed, healed, byNotes;
byte k;

#ifdef NO_SET_IN_HELLO
#define SHOWN(from, record) (VOTES(from, record) & BIT(from))
#else
#define SHOWN(from, record) VOTES(from, record)
#endif

#ifdef FIRST_VOTE_ONLY
#define FRESH(to, record, mask) ((mask) & ~VOTES(to, record) & ~(VOTES(to, 3 - record) & BIT(OTHER)))
#else
#define FRESH(to, record, mask) ((mask) & ~VOTES(to, record))
#endif

#ifdef NO_VOTES_IN_NOTES
#define READ(from, record) 0
#else
#define READ(from, record) NOTED(from, record)
#endif

#define undecided(x) (voted[x] != 0 && installed[x] == 0 && !gaveUp[x])
#define waiting(x) (voted[x] == 0 && !left[x])
#define abortOf(x) (left[x] || gaveUp[x])
#define learns(to, from) \
  (FRESH(to, 1, SHOWN(from, 1)) || FRESH(to, 2, SHOWN(from, 2)) || (abortOf(from) && !(aborts[to] & BIT(from))))
#define reads(to, from) \
  (FRESH(to, 1, READ(from, 1)) || FRESH(to, 2, READ(from, 2)) || (notedAbort[from] && !(aborts[to] & BIT(from))))
#define writes(x) (VOTES(x, 1) != NOTED(x, 1) || VOTES(x, 2) != NOTED(x, 2) || (abortOf(x) && !notedAbort[x]))
#define holds(x, record) (staged[x] & BIT(record))
#define isSet(x) (undecided(x) && holds(x, voted[x]) && VOTES(x, voted[x]) == ALL)
#define votesOf(x, record) \
  ((VOTES(x, record) & 1) + ((VOTES(x, record) >> 1) & 1) + ((VOTES(x, record) >> 2) & 1))
#ifdef FOLLOW_ONE
#define NEEDED 1
#else
#define NEEDED 2
#endif
/* A later attempt binds its site to what comes of it, until t sites voted for an older record. */
#define mayFollow(x, record) (begun[x] <= (record) || votesOf(x, record) >= NEEDED)
#ifdef VOTE_AFTER_ABORT
#define mayVote(x) (voted[x] == 0)
#else
#define mayVote(x) waiting(x)
#endif

inline tell(from, to) {
  printf("show %d %d\n", from, to);
  VOTES(to, 1) = VOTES(to, 1) | FRESH(to, 1, SHOWN(from, 1));
  VOTES(to, 2) = VOTES(to, 2) | FRESH(to, 2, SHOWN(from, 2));
  aborts[to] = aborts[to] | (abortOf(from) -> BIT(from) : 0)
}

inline writeNote(x) {
  printf("write %d\n", x);
  NOTED(x, 1) = VOTES(x, 1);
  NOTED(x, 2) = VOTES(x, 2);
  notedAbort[x] = abortOf(x)
}

inline readNote(from, to) {
  printf("read %d %d\n", from, to);
  VOTES(to, 1) = VOTES(to, 1) | FRESH(to, 1, READ(from, 1));
  VOTES(to, 2) = VOTES(to, 2) | FRESH(to, 2, READ(from, 2));
  aborts[to] = aborts[to] | (notedAbort[from] -> BIT(from) : 0)
}

inline vote(x, record) {
  printf("vote %d %d\n", x, record);
  voted[x] = record;
  VOTES(x, record) = VOTES(x, record) | BIT(x)
}

inline install(x) {
  printf("install %d\n", x);
  installed[x] = voted[x];
  /* Nobody has ended without the key, and there is no other key. */
  for (k : 0 .. HONEST - 1) {
    assert(!abortOf(k));
    assert(installed[k] == 0 || installed[k] == installed[x])
  }
  k = 0
}

inline crash(x) {
  printf("crash %d\n", x);
  crashed = 1;
#ifdef VOTE_NOT_DURABLE
  if
  :: installed[x] == 0 -> voted[x] = 0
  :: else
  fi;
#endif
  if
  :: installed[x] == 0 ->
    VOTES(x, 1) = (voted[x] == 1 -> BIT(x) : 0);
    VOTES(x, 2) = (voted[x] == 2 -> BIT(x) : 0)
  :: else
  fi;
  aborts[x] = 0
}

/* What an abort does to a site that sees it. */
inline heed(x) {
  printf("heed %d\n", x);
  if
  :: waiting(x) -> left[x] = 1
  :: else ->
#ifdef ABORT_WINS
    gaveUp[x] = 1
#endif
#ifdef DROP_AFTER_VOTE
    staged[x] = 0
#endif
    skip
  fi
}
#if defined(ABORT_WINS)
#define heeds(x) ((waiting(x) || undecided(x)) && aborts[x] != 0)
#elif defined(DROP_AFTER_VOTE)
#define heeds(x) ((waiting(x) || (undecided(x) && staged[x] != 0)) && aborts[x] != 0)
#else
#define heeds(x) (waiting(x) && aborts[x] != 0)
#endif

inline stage(x) {
  printf("stage %d\n", x);
  staged[x] = staged[x] | BIT(begun[x]);
  everStaged[begun[x]] = everStaged[begun[x]] | BIT(x)
}

inline leave(x) {
  printf("abort %d\n", x);
  left[x] = 1
}

inline go(x) {
  printf("go %d\n", x);
  gone[x] = 1
}

inline lieVote(x, record) {
  printf("liar votes %d to %d\n", record, x);
  VOTES(x, record) = VOTES(x, record) | BIT(OTHER)
}

inline lieAbort(x) {
  printf("liar aborts to %d\n", x);
  aborts[x] = aborts[x] | BIT(OTHER)
}

inline signAttempt() {
  attempt++;
  printf("attempt %d\n", attempt)
}

inline begin(x) {
  printf("begin %d\n", x);
#ifdef DROP_OLDER
  staged[x] = 0;
#endif
  begun[x] = attempt
}

#ifdef ATTEMPT_AFTER_VOTE
#define takesPart(x) (!left[x] && installed[x] == 0)
#else
#define takesPart(x) waiting(x)
#endif
#define allTakePart (takesPart(0) && takesPart(1) && (HONEST == 2 || takesPart(2)))
#define allStaged(record) ((everStaged[record] & (BIT(HONEST) - 1)) == BIT(HONEST) - 1)

#define present(x) ((x) < HONEST && !gone[x])

#define mayVoteFor(x, record) (holds(x, record) && allStaged(record) && mayFollow(x, record))
#define VOTE(x, record) \
  :: d_step { !healed && present(x) && mayVote(x) && mayVoteFor(x, record) -> vote(x, record) }
/* A site that is shown a vote for a record that it staged checks the rest and votes. Notes do not show the rest. */
#define FOLLOW(x, record) \
  :: d_step { healed && !byNotes && present(x) && waiting(x) && VOTES(x, record) && mayVoteFor(x, record) -> \
    vote(x, record) }

/* What one site does by itself, and what passes between two: at any time, or never; and once healed, always. */
#define ALONE(x) \
  :: d_step { present(x) && heeds(x) -> heed(x) } \
  :: d_step { present(x) && isSet(x) -> install(x) } \
  FOLLOW(x, 1) FOLLOW(x, 2) \
  :: d_step { byNotes && present(x) && writes(x) -> writeNote(x) }
#define PAIR(x, y) \
  :: d_step { (!healed || !byNotes) && present(x) && present(y) && learns(y, x) -> tell(x, y) } \
  :: d_step { byNotes && (x) < HONEST && present(y) && reads(y, x) -> readNote(x, y) }

/* What else may happen to a site until then. */
#define CHOICE(x) \
  :: d_step { !healed && present(x) && takesPart(x) && begun[x] < attempt -> begin(x) } \
  :: d_step { !healed && present(x) && takesPart(x) && begun[x] != 0 && !holds(x, begun[x]) -> stage(x) } \
  VOTE(x, 1) VOTE(x, 2) \
  :: d_step { !healed && present(x) && waiting(x) -> leave(x) } \
  :: d_step { !healed && present(x) && !crashed -> crash(x) } \
  :: d_step { !healed && byNotes && present(x) && installed[x] != 0 && !writes(x) -> go(x) }

#ifdef THIEF
#define FALSE(x) \
  :: d_step { !healed && present(x) && x != OTHER && !(aborts[x] & BIT(OTHER)) -> lieAbort(x) }
#else
#define FALSE(x) \
  :: d_step { !healed && present(x) && FRESH(x, 1, BIT(OTHER)) -> lieVote(x, 1) } \
  :: d_step { !healed && present(x) && FRESH(x, 2, BIT(OTHER)) -> lieVote(x, 2) } \
  :: d_step { !healed && present(x) && !(aborts[x] & BIT(OTHER)) -> lieAbort(x) }
#endif

init {
#ifndef THIEF
  if
  :: byNotes = 0
  :: byNotes = 1
  fi;
#endif
  do
  :: d_step { !healed && attempt < 2 && allTakePart -> signAttempt() }
  CHOICE(0) CHOICE(1) CHOICE(2)
  FALSE(0) FALSE(1) FALSE(2)
  ALONE(0) ALONE(1) ALONE(2)
  PAIR(0, 1) PAIR(1, 0) PAIR(0, 2) PAIR(2, 0) PAIR(1, 2) PAIR(2, 1)
  :: d_step { !healed -> printf("heal %d\n", byNotes); healed = 1 }
  :: else -> break
  od;
  skip;
  d_step {
    for (k : 1 .. HONEST - 1) {
      assert(installed[k] == installed[0]);
      assert(installed[k] == 0 || (!abortOf(k) && !abortOf(0)))
    }
#ifndef THIEF
    for (k : 1 .. 2) {
      assert(byNotes || abortOf(0) || abortOf(1) || installed[0] == k
        || (voted[0] != k && voted[1] != k) || !((VOTES(0, k) | VOTES(1, k)) & BIT(OTHER)))
    }
#endif
  }
#ifdef REACH
  assert(installed[0] == 0)
#endif
}

/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The named_lock authors
 *
 * The protocol of etcd_lock: clients with clocks of their own, a network that loses and delays, a cluster whose leases
 * end. Checked for every interleaving by run.sh, which also breaks it (BREAK_...) and requires that the break is found.
 *
 * Time passes in ticks, for all, but only when everybody who must act in this tick has done so; what the network and
 * the scheduler delay is free to take any number of ticks, a stopped client included. A client counts a lease from
 * before its request went out and believes in it for TTL - MARGIN ticks; the cluster counts from when the request came,
 * and keeps it for TTL ticks or longer. (Two clocks that differ are two ends of the margin.)
 *
 * A request is a message that the cluster carries out at any later time, or never; its answer comes at any later time,
 * or never, in which case the client asks again or gives up. So each request may be carried out twice, and late.
 */
#ifndef CLIENTS
#define CLIENTS 2
#endif
#ifndef TTL
#define TTL 2
#endif
#ifndef MARGIN
#define MARGIN 1
#endif
#ifndef LEASES
#define LEASES 2          /* ids that are handed out; each acquisition takes a new one */
#endif
#ifndef TICKS
#define TICKS 3           /* after which time stands still */
#endif
#ifndef LOSSES
#define LOSSES 1          /* answers that are lost, requests that are sent twice, and those that come after all */
#endif
#define NONE 255

/* The cluster. A lease is unborn, alive with so many ticks left, or gone; an entry has the revision of its creation. */
mtype = { unborn, alive, gone };
mtype lease[LEASES] = unborn;
byte left[LEASES];
byte created[LEASES];     /* 0: no entry */
byte was_first[LEASES];   /* its revision, once none was before it: a member that lags behind may say so for ever */
byte revision = 1;
byte next_lease;
byte now;

/* The clients: what they believe. */
bool believes[CLIENTS];   /* that they hold; is_held() is this and the time */
byte until[CLIENTS];
byte last_token;          /* the largest one that was held */

/* One request of each client under way, and copies that the network has kept back. */
mtype = { nothing, grant, put, check, keepalive, revoke };
mtype asks[CLIENTS] = nothing;
byte about[CLIENTS];
mtype old = nothing;      /* a copy that is still on its way, after its client has gone on: one at a time */
byte old_about;
byte losses = LOSSES;
bool answered[CLIENTS];
bool good[CLIENTS];       /* the answer */
byte number[CLIENTS];     /* and what it says */

/* A client's clock may lose a tick, which the margin is for: once in all, or a lease's time would have to be longer. */
byte lag[CLIENTS];
bool has_lagged;
#define time_of(c) (now - lag[c])
#define is_held(c) (believes[c] && time_of(c) < until[c])

/* After what may have made it so. */
inline note_first() {
    other = 0;
    do
    :: other < LEASES ->
        if
        :: created[other] != 0 && was_first[other] == 0 ->
            was_first[other] = created[other]; before = 0;
            do
            :: before < LEASES ->
                if :: created[before] != 0 && created[before] < created[other] -> was_first[other] = 0 :: else fi;
                before++
            :: else -> break
            od;
            before = 0
        :: else
        fi;
        other++
    :: else -> break
    od;
    other = 0
}

/* What the cluster does with a request, into `ok` and `said`. */
inline carry_out(what, id, ok, said) {
    ok = false; said = 0;
    if
    :: what == grant ->
        if
        :: lease[id] == unborn -> lease[id] = alive; left[id] = TTL; ok = true
        :: lease[id] == alive -> ok = true            /* "lease already exists" */
        :: else                                       /* an id is not used again */
        fi
    :: what == put ->
        if
        :: lease[id] == alive ->
            if :: created[id] == 0 -> revision++; created[id] = revision :: else fi;
            ok = true; said = created[id]
#ifdef BREAK_SHARED_LEASE                              /* an entry that outlives its lease: as with one for all */
        :: lease[id] == gone && created[id] == 0 -> revision++; created[id] = revision; ok = true; said = created[id]
#endif
        :: else
        fi
    :: what == check ->                                /* own entry there, and none before it? */
        if
        :: created[id] != 0 -> ok = true; said = was_first[id]
        :: created[id] != 0 -> ok = true               /* by a member that does not know yet who has gone */
        :: was_first[id] != 0 -> ok = true; said = was_first[id] /* by one that does not know yet that it is gone */
        :: created[id] == 0
        fi
    :: what == keepalive ->
        if :: lease[id] == alive -> left[id] = TTL; ok = true :: else fi
    :: what == revoke ->
        if :: lease[id] == alive -> lease[id] = gone; created[id] = 0; left[id] = 0 :: lease[id] == unborn -> lease[id] = gone :: else fi;
        ok = true
    fi;
    note_first()
}

inline serve(c) {
    carry_out(asks[c], about[c], ok, said);
    good[c] = ok; number[c] = said; answered[c] = true; ok = false; said = 0
}

proctype cluster() {
    bool ok; byte said; byte other; byte before;
end:
    do
    :: atomic { asks[0] != nothing && !answered[0] -> serve(0) }
    :: atomic { asks[1] != nothing && !answered[1] -> serve(1) }
#if CLIENTS > 2
    :: atomic { asks[2] != nothing && !answered[2] -> serve(2) }
#endif
    :: d_step { old != nothing -> carry_out(old, old_about, ok, said); old = nothing; old_about = 0; ok = false; said = 0 }
    od
}

/* Ticks. A lease whose time is over ends now, or some ticks later: the cluster may count longer. */
proctype clock() {
    byte id; byte other; byte before;
end:
    do
    :: atomic { now < TICKS ->
        now++;
        if
        :: !has_lagged -> has_lagged = true; lag[0] = 1
        :: true
        fi;
        id = 0;
        do
        :: id < LEASES ->
            if
            :: lease[id] == alive && left[id] > 0 -> left[id]--
            :: else
            fi;
            id++
        :: else -> break
        od;
        id = 0
       }
    :: atomic { lease[0] == alive && left[0] == 0 -> lease[0] = gone; created[0] = 0; note_first() }
    :: atomic { lease[1] == alive && left[1] == 0 -> lease[1] = gone; created[1] = 0; note_first() }
#if LEASES > 2
    :: atomic { lease[2] == alive && left[2] == 0 -> lease[2] = gone; created[2] = 0; note_first() }
#endif
#if LEASES > 3
    :: atomic { lease[3] == alive && left[3] == 0 -> lease[3] = gone; created[3] = 0; note_first() }
#endif
    od
}

/* Asks, and asks again where no answer came; the copy without an answer stays on its way. Gives up, with `good` false, where the
 * client does. The answer may be lost: then the request was carried out and is repeated. */
inline ask(what, id) {
    atomic { asks[me] = what; about[me] = id; answered[me] = false }
    do
    :: atomic { answered[me] -> break }                                        /* the answer came */
    :: atomic { answered[me] && losses > 0 -> losses--; answered[me] = false } /* it was lost: asked again */
    :: atomic { !answered[me] && losses > 0 && old == nothing ->               /* no answer yet: asked again */
                losses--; old = what; old_about = id }
    :: atomic { !answered[me] -> good[me] = false; gave_up = true;
                if :: old == nothing && losses > 0 -> losses--; old = what; old_about = id :: true fi;
                break }                                                        /* too late to go on with it */
    od;
    atomic { asks[me] = nothing; about[me] = 0; answered[me] = false; }
}

/* What was said is forgotten with what comes next, and so is no part of the state. */
inline forget() { good[me] = false; number[me] = 0; asked = 0 }

proctype client(byte me) {
    byte mine; byte mine_created; byte asked; bool gave_up;
    me == 0 || next_lease > me - 1;                    /* the first one is the first: all else is the same with names changed */
again:
    atomic {
        believes[me] = false; until[me] = 0; mine_created = 0; gave_up = false; forget();
        if :: next_lease < LEASES -> mine = next_lease; next_lease++ :: else -> goto end fi;
        asked = time_of(me)
    }
    ask(grant, mine);
    atomic {
        if :: gave_up || !good[me] -> goto abandon :: else fi;
#ifdef BREAK_COUNTS_FROM_ANSWER
        until[me] = time_of(me) + TTL - MARGIN;
#else
        until[me] = asked + TTL - MARGIN;
#endif
        forget()
    }
    ask(put, mine);
    atomic {
        if :: gave_up || !good[me] -> goto abandon :: else fi;
        mine_created = number[me]; forget()
    }
look:
    ask(check, mine);
    atomic {
        if
        :: gave_up || !good[me] -> goto abandon
#ifdef BREAK_NO_CHECK
        :: good[me] && !gave_up -> goto confirm
#endif
        :: good[me] && !gave_up && number[me] != 0 -> goto confirm
        :: good[me] && !gave_up && number[me] == 0 -> forget(); asked = time_of(me)
        fi
    }
    ask(keepalive, mine);
    atomic {
        if
        :: good[me] && !gave_up && time_of(me) < until[me] -> until[me] = asked + TTL - MARGIN; forget(); goto look
        :: else -> goto abandon
        fi
    }
confirm:
    atomic {
        forget();
        if
        :: time_of(me) >= until[me] -> goto abandon
        :: else -> believes[me] = true
        fi;
        if
        :: is_held(me) -> assert(mine_created > last_token); last_token = mine_created
        :: else
        fi
    }
    /* holds, with as many keepalives as it likes */
    do
    :: atomic { now < TICKS -> asked = time_of(me); gave_up = false }
       ask(keepalive, mine);
       atomic {
           if
           :: good[me] && !gave_up && time_of(me) < until[me] -> until[me] = asked + TTL - MARGIN; forget()
           :: else -> forget(); break
           fi
       }
    :: break
    od;
#ifdef BREAK_BELIEVES_AFTER
    atomic { gave_up = false }
    ask(revoke, mine);
    goto again;
#endif
abandon:
    atomic { believes[me] = false; forget(); gave_up = false }
    ask(revoke, mine);
    goto again;
end:
    skip
}

/* Whenever: a tick may have made it so. And no entry may outlive its lease, for which nobody would ever remove it. */
proctype watcher() {
end:
    do
    :: atomic { lease[0] == gone && created[0] != 0 -> assert(false) }
    :: atomic { lease[1] == gone && created[1] != 0 -> assert(false) }
    :: atomic { is_held(0) && is_held(1) -> assert(false) }
#if CLIENTS > 2
    :: atomic { (is_held(0) || is_held(1)) && is_held(2) -> assert(false) }
#endif
    od
}

init {
    atomic {
        run cluster(); run clock(); run watcher();
        run client(0); run client(1);
#if CLIENTS > 2
        run client(2);
#endif
    }
}

package sandbox

import (
	"reflect"
	"strconv"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
	"go.starlark.net/syntax"
)

// Rounds are the moments of a run at which a while loop of the script's has begun a
// round, in their order. Two rounds of one loop that begin with the same state, as the
// script sees it, go on alike as long as whatever the script is given is alike.
//
// The state at the head of a loop is what its function's variables hold, and all that can
// be reached from there. What those functions have that called it stays as it is for as
// long as the loop runs, but for what can be reached from the loop's function too. So two
// rounds are compared only if they are of one run of the loop; one that is begun again is
// another one. Lists and the like are the same only if they are the same objects: a round
// that makes new ones that outlast it is like no other.
type Rounds struct {
	// Given is how much the script has been given so far, whatever that is.
	Given func() int

	begun []round
	runs  map[syntax.Position]int
	ids   map[any]int
	last  int // of the runs of loops
}

// round is one beginning.
type round struct {
	loop  int // the run of it
	given int
	state string
}

// maxState bounds what is looked at of a loop's state, in bytes of its encoding.
const maxState = 1 << 12

// roundsLocal is the name under which a run has its Rounds.
const roundsLocal = "emurace/sandbox/rounds"

// Names of the functions that tell of loops. No script can write them.
const (
	loopName  = "$loop"
	roundName = "$round"
)

// tellRounds puts a loop into a statement that tells that it begins, and has the loop
// tell each round, also that which ends it. Both calls are at the loop's place.
func tellRounds(s *syntax.WhileStmt) syntax.Stmt {
	s.Cond = &syntax.BinaryExpr{X: call(roundName, s.While), OpPos: s.While, Op: syntax.AND, Y: &syntax.ParenExpr{Lparen: s.While, X: s.Cond, Rparen: s.While}}
	return &syntax.IfStmt{If: s.While, Cond: call(loopName, s.While), True: []syntax.Stmt{s}}
}

func init() {
	guarded[loopName] = starlark.NewBuiltin(loopName, func(t *starlark.Thread, _ *starlark.Builtin, _ starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
		if r, ok := t.Local(roundsLocal).(*Rounds); ok {
			r.loop(t.CallFrame(1).Pos)
		}
		return starlark.True, nil
	})
	guarded[roundName] = starlark.NewBuiltin(roundName, func(t *starlark.Thread, _ *starlark.Builtin, _ starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
		if r, ok := t.Local(roundsLocal).(*Rounds); ok {
			r.round(t.CallFrame(1).Pos, t.DebugFrame(1))
		}
		return starlark.True, nil
	})
}

func (r *Rounds) loop(at syntax.Position) {
	if r.runs == nil {
		r.runs, r.ids = map[syntax.Position]int{}, map[any]int{}
	}
	r.last++
	r.runs[at] = r.last // a function is never in a call of its own, so nobody else is in this loop
}

func (r *Rounds) round(at syntax.Position, f starlark.DebugFrame) {
	e := encoder{ids: r.ids, seen: map[any]bool{}}
	e.value(f.Callable())
	for i := range f.NumLocals() {
		_, v := f.Local(i)
		e.value(v)
	}
	if len(e.b) <= maxState {
		r.begun = append(r.begun, round{r.runs[at], r.Given(), string(e.b)})
	}
}

// Same is how much the script had been given when it last was in the state that it is in
// with all that it has been given now, nothing more having been asked for since. It is
// false when that is not known of any such moment.
func (r *Rounds) Same() (given int, ok bool) {
	now := r.Given()
	for k := len(r.begun) - 1; k >= 0 && r.begun[k].given == now; k-- {
		for j := k - 1; j >= 0; j-- {
			if a, b := r.begun[j], r.begun[k]; a.loop == b.loop && a.given < now && a.state == b.state {
				return a.given, true
			}
		}
	}
	return 0, false
}

// encoder writes values down so that equal texts are equal states.
type encoder struct {
	b    []byte
	ids  map[any]int  // of all values with an identity; it keeps them, so that none gets another's address
	seen map[any]bool // those that have been gone into
}

// identity writes which value this is, and tells whether it is there for the first time.
func (e *encoder) identity(v any) bool {
	id, ok := e.ids[v]
	if !ok {
		id = len(e.ids)
		e.ids[v] = id
	}
	e.b = strconv.AppendInt(append(e.b, '#'), int64(id), 10)
	first := !e.seen[v]
	e.seen[v] = true
	return first
}

func (e *encoder) text(kind byte, s string) {
	e.b = strconv.AppendInt(append(e.b, kind), int64(len(s)), 10)
	e.b = append(append(e.b, ':'), s...)
}

func (e *encoder) each(it starlark.Iterable) {
	for v := range starlark.Elements(it) {
		if e.value(v); len(e.b) > maxState {
			return
		}
	}
	e.b = append(e.b, ';')
}

func (e *encoder) value(v starlark.Value) {
	if len(e.b) > maxState {
		return
	}
	switch v := v.(type) {
	case nil:
		e.b = append(e.b, '-') // a variable that has no value yet
	case starlark.NoneType, starlark.Bool:
		e.b = append(e.b, v.String()[0])
	case starlark.Int:
		e.text('i', v.String())
	case starlark.Float:
		e.text('f', strconv.FormatFloat(float64(v), 'x', -1, 64))
	case starlark.String:
		e.text('s', string(v))
	case starlark.Bytes:
		e.text('b', string(v))
	case starlark.Tuple:
		e.b = append(e.b, '(')
		e.each(v)
	case *starlark.List:
		if e.identity(v) {
			e.each(v)
		}
	case *starlark.Set:
		if e.identity(v) {
			e.each(v)
		}
	case *starlark.Dict:
		if e.identity(v) {
			for k, x := range v.Entries() {
				e.value(k)
				e.value(x)
			}
			e.b = append(e.b, ';')
		}
	case *starlarkstruct.Struct:
		if e.identity(v) {
			for _, name := range v.AttrNames() {
				e.text('.', name)
				x, _ := v.Attr(name) // it has those that it names
				e.value(x)
			}
		}
	case *starlark.Builtin:
		if e.identity(v) {
			e.value(v.Receiver())
		}
	case *starlark.Function:
		if e.identity(v) {
			e.function(v)
		}
	default:
		// Values of the host's do not change. A variable that functions in this one use
		// is in a cell, which cannot be looked into from outside.
		if v.Type() == "cell" || !reflect.ValueOf(v).Comparable() {
			e.identity(new(byte)) // like no other
			return
		}
		e.identity(v)
	}
}

// function goes into what a function has beside its arguments: what it has of the
// functions around it, and the defaults of its parameters. What is global is frozen.
func (e *encoder) function(f *starlark.Function) {
	for i := range f.NumFreeVars() {
		_, v := f.FreeVar(i)
		e.value(v)
	}
	for i := range f.NumParams() {
		e.value(f.ParamDefault(i))
	}
}

package litmus

import "strings"

// Cond is a condition on the end of an execution.
type Cond struct {
	Op   Op
	Of   []*Cond // what And and Or join, or Not denies
	Bool bool    // of Const
	// Of Is and IsNot.
	Place Place
	Value Value
}

// Op is what a Cond is.
type Op uint8

// The kinds of conditions.
const (
	Const Op = iota
	Is       // Place holds Value
	IsNot
	Not
	And
	Or
)

// Holds tells whether the condition is met by an end, which tells what places hold.
func (c *Cond) Holds(end func(Place) Value) bool {
	switch c.Op {
	case Const:
		return c.Bool
	case Is:
		return c.Value.Equal(end(c.Place))
	case IsNot:
		return !c.Value.Equal(end(c.Place))
	case Not:
		return !c.Of[0].Holds(end)
	case And:
		for _, of := range c.Of {
			if !of.Holds(end) {
				return false
			}
		}
		return true
	default:
		for _, of := range c.Of {
			if of.Holds(end) {
				return true
			}
		}
		return false
	}
}

// Equal tells whether a value that a condition names is the one that is there. A negative number is
// also what an int of 32 bits has of it, since a register may have been written as W.
func (v Value) Equal(there Value) bool {
	if v.At != "" || there.At != "" {
		return v.At == there.At
	}
	if v.Number < 0 && int64(int32(v.Number)) == v.Number && uint64(there.Number)>>32 == 0 {
		return int32(v.Number) == int32(there.Number)
	}
	return v.Number == there.Number
}

// each calls f with the parts of a condition that compare.
func (c *Cond) each(f func(*Cond)) {
	if c == nil {
		return
	}
	if c.Op == Is || c.Op == IsNot {
		f(c)
	}
	for _, of := range c.Of {
		of.each(f)
	}
}

// String is the condition as a file has it, with parentheses around all that is joined.
func (c *Cond) String() string {
	join := func(with string) string {
		var parts []string
		for _, of := range c.Of {
			parts = append(parts, of.String())
		}
		return "(" + strings.Join(parts, with) + ")"
	}
	switch c.Op {
	case Const:
		if c.Bool {
			return "true"
		}
		return "false"
	case Is:
		return c.Place.String() + "=" + c.Value.String()
	case IsNot:
		return c.Place.String() + "!=" + c.Value.String()
	case Not:
		return "~" + c.Of[0].String()
	case And:
		return join(` /\ `)
	default:
		return join(` \/ `)
	}
}

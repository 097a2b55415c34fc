package sandbox

import (
	"fmt"
	"slices"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
	"go.starlark.net/syntax"
)

// What one step may build. The interpreter counts steps and not what they build:
// "a" * (1 << 29) is one step, and so is joining a million times the same long
// string. So the operations of which the result can be much larger than what they
// are given are replaced in the syntax tree by calls of functions that look first.
const (
	maxText  = 1 << 20 // bytes of a string
	maxItems = 1 << 20 // of a list, tuple or range
	maxBits  = 1 << 13 // of a number
)

// Names of the functions that replace operations. No script can write them.
const (
	addName   = "$add"
	growName  = "$grow"
	timesName = "$times"
	formName  = "$format"
	attrName  = "$attr"
)

// riskyMethods are the methods of strings, and the one of lists, whose results can be
// large.
var riskyMethods = map[string]bool{"replace": true, "join": true, "format": true, "extend": true}

// guard replaces operations in a file.
func guard(f *syntax.File) { guardStmts(f.Stmts) }

func guardStmts(stmts []syntax.Stmt) {
	for i, s := range stmts {
		switch s := s.(type) {
		case *syntax.AssignStmt:
			guardAssign(s)
		case *syntax.DefStmt:
			guardParams(s.Params)
			guardStmts(s.Body)
		case *syntax.ExprStmt:
			s.X = guardExpr(s.X)
		case *syntax.ForStmt:
			s.Vars, s.X = guardExpr(s.Vars), guardExpr(s.X)
			guardStmts(s.Body)
		case *syntax.WhileStmt:
			s.Cond = guardExpr(s.Cond)
			guardStmts(s.Body)
			stmts[i] = tellRounds(s)
		case *syntax.IfStmt:
			s.Cond = guardExpr(s.Cond)
			guardStmts(s.True)
			guardStmts(s.False)
		case *syntax.ReturnStmt:
			if s.Result != nil {
				s.Result = guardExpr(s.Result)
			}
		}
	}
}

// guardAssign guards x += y and the like. A list is extended in place by it, so
// it cannot become x = x + y: only what is added is looked at. The others can,
// where x is a name; elsewhere x would be evaluated twice, and only y is looked at.
func guardAssign(s *syntax.AssignStmt) {
	s.LHS, s.RHS = guardExpr(s.LHS), guardExpr(s.RHS)
	name := ""
	switch s.Op {
	case syntax.PLUS_EQ:
		s.RHS = call(growName, s.OpPos, s.RHS)
	case syntax.STAR_EQ:
		name = timesName
	case syntax.PERCENT_EQ:
		name = formName
	}
	if name == "" {
		return
	}
	if id, ok := s.LHS.(*syntax.Ident); ok {
		s.Op = syntax.EQ
		s.RHS = call(name, s.OpPos, &syntax.Ident{NamePos: id.NamePos, Name: id.Name}, s.RHS)
		return
	}
	s.RHS = call(growName, s.OpPos, s.RHS, &syntax.Ident{NamePos: s.OpPos, Name: "True"})
}

// guardParams guards the default values of parameters.
func guardParams(params []syntax.Expr) {
	for _, p := range params {
		if b, ok := p.(*syntax.BinaryExpr); ok && b.Op == syntax.EQ {
			b.Y = guardExpr(b.Y)
		}
	}
}

func guardList(list []syntax.Expr) {
	for i, x := range list {
		list[i] = guardExpr(x)
	}
}

func guardExpr(x syntax.Expr) syntax.Expr {
	switch x := x.(type) {
	case *syntax.BinaryExpr:
		x.X, x.Y = guardExpr(x.X), guardExpr(x.Y)
		switch x.Op {
		case syntax.PLUS:
			return call(addName, x.OpPos, x.X, x.Y)
		case syntax.STAR:
			return call(timesName, x.OpPos, x.X, x.Y)
		case syntax.PERCENT:
			return call(formName, x.OpPos, x.X, x.Y)
		}
	case *syntax.CallExpr:
		x.Fn = guardExpr(x.Fn)
		for i, arg := range x.Args {
			switch a := arg.(type) {
			case *syntax.BinaryExpr: // a keyword argument is one too
				if a.Op == syntax.EQ {
					a.Y = guardExpr(a.Y)
					continue
				}
			case *syntax.UnaryExpr: // and so are *args
				if a.Op == syntax.STAR || a.Op == syntax.STARSTAR {
					a.X = guardExpr(a.X)
					continue
				}
			}
			x.Args[i] = guardExpr(arg)
		}
	case *syntax.Comprehension:
		x.Body = guardExpr(x.Body)
		for _, c := range x.Clauses {
			switch c := c.(type) {
			case *syntax.ForClause:
				c.Vars, c.X = guardExpr(c.Vars), guardExpr(c.X)
			case *syntax.IfClause:
				c.Cond = guardExpr(c.Cond)
			}
		}
	case *syntax.CondExpr:
		x.Cond, x.True, x.False = guardExpr(x.Cond), guardExpr(x.True), guardExpr(x.False)
	case *syntax.DictEntry:
		x.Key, x.Value = guardExpr(x.Key), guardExpr(x.Value)
	case *syntax.DictExpr:
		guardList(x.List)
	case *syntax.DotExpr:
		x.X = guardExpr(x.X)
		if riskyMethods[x.Name.Name] {
			return call(attrName, x.Dot, x.X, &syntax.Literal{Token: syntax.STRING, TokenPos: x.NamePos, Raw: `"` + x.Name.Name + `"`, Value: x.Name.Name})
		}
	case *syntax.IndexExpr:
		x.X, x.Y = guardExpr(x.X), guardExpr(x.Y)
	case *syntax.LambdaExpr:
		guardParams(x.Params)
		x.Body = guardExpr(x.Body)
	case *syntax.ListExpr:
		guardList(x.List)
	case *syntax.ParenExpr:
		x.X = guardExpr(x.X)
	case *syntax.SliceExpr:
		x.X = guardExpr(x.X)
		for _, part := range []*syntax.Expr{&x.Lo, &x.Hi, &x.Step} {
			if *part != nil {
				*part = guardExpr(*part)
			}
		}
	case *syntax.TupleExpr:
		guardList(x.List)
	case *syntax.UnaryExpr:
		if x.X != nil {
			x.X = guardExpr(x.X)
		}
	}
	return x
}

func call(name string, pos syntax.Position, args ...syntax.Expr) syntax.Expr {
	return &syntax.CallExpr{Fn: &syntax.Ident{NamePos: pos, Name: name}, Lparen: pos, Args: args, Rparen: pos}
}

// tooMuch is the error of a step that would build more than it may.
func tooMuch(what string, n, most int) error {
	return fmt.Errorf("too large: %d %s, at most %d", n, what, most)
}

// measure is about how long a value is as text, most+1 when it is longer than most.
// It never looks at more of the value than that.
func measure(v starlark.Value, most int) int {
	left := most
	weigh(v, &left, nil)
	return most - left
}

// weigh takes the length of a value off left. The lists and dicts that it is in are
// not gone into again: as text they are [...] in themselves.
func weigh(v starlark.Value, left *int, in []starlark.Value) {
	if *left < 0 || len(in) > 1000 {
		*left = -1
		return
	}
	switch v.(type) {
	case *starlark.List, *starlark.Dict:
		if slices.Contains(in, v) {
			*left -= 8
			return
		}
	}
	in = append(in, v)
	each := func(it starlark.Iterable) {
		for e := range starlark.Elements(it) {
			if weigh(e, left, in); *left < 0 {
				return
			}
		}
	}
	*left -= 4
	switch v := v.(type) {
	case starlark.String:
		*left -= 4 * len(v) // quoted, a byte takes up to four
	case starlark.Bytes:
		*left -= 4 * len(v)
	case starlark.Int:
		*left -= v.BigInt().BitLen() / 3
	case *starlark.List:
		each(v)
	case starlark.Tuple:
		each(v)
	case *starlark.Set:
		each(v)
	case *starlark.Dict:
		for k, e := range v.Entries() {
			weigh(k, left, in)
			if weigh(e, left, in); *left < 0 {
				return
			}
		}
	case *starlarkstruct.Struct:
		for _, name := range v.AttrNames() {
			*left -= len(name)
			if e, err := v.Attr(name); err == nil {
				weigh(e, left, in)
			}
			if *left < 0 {
				return
			}
		}
	default:
		*left -= 64
	}
}

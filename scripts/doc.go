// Package scripts holds the scenarios that ship with emurace.
package scripts

//! Check digits of identity numbers: GB 11643 (mainland) and the Hong Kong identity card.

const GB11643_WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
const GB11643_CHECKS: [char; 11] = ['1', '0', 'X', '9', '8', '7', '6', '5', '4', '3', '2'];
const HKIC_WEIGHTS: [u32; 8] = [9, 8, 7, 6, 5, 4, 3, 2];

/// The check character of the first 17 digits of a GB 11643-1999 number. `None` unless they are 17 digits.
pub fn gb11643(first: &str) -> Option<char> {
    if first.len() != GB11643_WEIGHTS.len() {
        return None;
    }
    let mut sum = 0;
    for (digit, weight) in first.chars().zip(GB11643_WEIGHTS) {
        sum += digit.to_digit(10)? * weight;
    }
    Some(GB11643_CHECKS[(sum % 11) as usize])
}

/// Whether all 18 characters are a GB 11643-1999 number whose check character is right. A lower-case `x` is taken.
pub fn is_gb11643(number: &str) -> bool {
    let Some((first, check)) = number.split_at_checked(17) else { return false };
    gb11643(first).is_some_and(|right| check.eq_ignore_ascii_case(right.encode_utf8(&mut [0; 4])))
}

/// The check character of a Hong Kong identity card number: one or two letters and six digits.
pub fn hkic(number: &str) -> Option<char> {
    let letters = number.len().checked_sub(6).filter(|letters| matches!(letters, 1 | 2))?;
    let (prefix, digits) = number.split_at_checked(letters)?;
    // A number with one letter is read as if a blank stood before it; a blank counts 36.
    let mut values = if letters == 1 { vec![36] } else { Vec::new() };
    for letter in prefix.chars() {
        if !letter.is_ascii_uppercase() {
            return None;
        }
        values.push(letter.to_digit(36)?);
    }
    for digit in digits.chars() {
        values.push(digit.to_digit(10)?);
    }
    let sum: u32 = values.iter().zip(HKIC_WEIGHTS).map(|(value, weight)| value * weight).sum();
    match (11 - sum % 11) % 11 {
        10 => Some('A'),
        check => char::from_digit(check, 10),
    }
}

/// Whether a Hong Kong identity card number, `A123456(3)`, has the right check character.
pub fn is_hkic(number: &str) -> bool {
    let Some((first, check)) = number.strip_suffix(')').and_then(|rest| rest.split_once('(')) else {
        return false;
    };
    hkic(first).is_some_and(|right| check == right.encode_utf8(&mut [0; 4]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mainland_numbers_of_the_specification_pass() {
        for number in [
            "440305198811120011",
            "110101199003077571",
            "810000199408230021",
            "820000195512250026",
            "83000019810715006X",
            "83000019810715006x",
            "911124198108030024",
        ] {
            assert!(is_gb11643(number), "{number}");
        }
    }

    #[test]
    fn a_changed_last_digit_fails() {
        for number in
            ["440305198811120012", "83000019810715006", "8300001981071500600", "4403051988１1120011", ""]
        {
            assert!(!is_gb11643(number), "{number}");
        }
    }

    #[test]
    fn hong_kong_numbers_of_the_specification_pass() {
        for number in ["A123456(3)", "AB123456(9)", "G123456(A)", "C668668(9)", "K123450(1)"] {
            assert!(is_hkic(number), "{number}");
        }
    }

    #[test]
    fn a_wrong_hong_kong_check_digit_fails() {
        for number in ["A123456(4)", "A123456", "123456(3)", "ABC123456(3)", "é12345(3)", ""] {
            assert!(!is_hkic(number), "{number}");
        }
    }
}

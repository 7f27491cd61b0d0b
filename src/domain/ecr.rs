//! Private repositories of Amazon ECR, told by their address.

use super::image_ref::Repository;
use super::names::Region;

/// What the address of a private repository of Amazon ECR says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EcrRepository {
    /// Twelve digits.
    pub account: String,
    /// The region.
    pub region: Region,
    /// The name without the host, for example `team/web`.
    pub name: String,
}

impl EcrRepository {
    /// `None` for the address of another registry. The forms are `<account>.dkr.ecr.<region>.amazonaws.com`, the same with
    /// `ecr-fips` and with the domains of China and of the European cloud, and `<account>.dkr-ecr.<region>.on.aws` (Amazon
    /// ECR user guide, "Private registry", and general reference, "Amazon ECR endpoints").
    #[must_use]
    pub fn of(repository: &Repository) -> Option<Self> {
        let (host, name) = repository.as_str().split_once('/')?;
        let labels: Vec<&str> = host.split('.').collect();
        let (account, region, domain) = match labels.as_slice() {
            [account, "dkr", "ecr" | "ecr-fips", region, domain @ ..] => (account, region, domain),
            [account, "dkr-ecr" | "dkr-ecr-fips", region, "on", domain @ ..] => (account, region, domain),
            _ => return None,
        };
        let ours = ["amazonaws.com", "amazonaws.com.cn", "amazonaws.eu", "aws", "amazonwebservices.com.cn"];
        let is_account = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
        (is_account && ours.contains(&domain.join(".").as_str())).then_some(())?;
        Some(Self { account: (*account).to_owned(), region: region.parse().ok()?, name: name.to_owned() })
    }

    /// Its name in policies.
    #[must_use]
    pub fn arn(&self) -> String {
        let Self { account, region, name } = self;
        format!("arn:{}:ecr:{region}:{account}:repository/{name}", region.partition())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registries_of_aws_are_told_by_their_address() {
        for (address, arn) in [
            (
                "111122223333.dkr.ecr.eu-west-1.amazonaws.com/team/web",
                Some("arn:aws:ecr:eu-west-1:111122223333:repository/team/web"),
            ),
            (
                "111122223333.dkr.ecr-fips.us-gov-west-1.amazonaws.com/web",
                Some("arn:aws-us-gov:ecr:us-gov-west-1:111122223333:repository/web"),
            ),
            (
                "111122223333.dkr.ecr.cn-north-1.amazonaws.com.cn/web",
                Some("arn:aws-cn:ecr:cn-north-1:111122223333:repository/web"),
            ),
            ("111122223333.dkr-ecr.eu-west-1.on.aws/web", Some("arn:aws:ecr:eu-west-1:111122223333:repository/web")),
            ("public.ecr.aws/nginx/nginx", None),
            ("111122223333.dkr.ecr.eu-west-1.amazonaws.com.example.com/web", None),
            ("1111.dkr.ecr.eu-west-1.amazonaws.com/web", None),
            ("ghcr.io/acme/web", None),
            ("nginx", None),
        ] {
            let repository: Repository = address.parse().expect("a repository");
            assert_eq!(EcrRepository::of(&repository).map(|found| found.arn()).as_deref(), arn, "{address}");
        }
    }
}

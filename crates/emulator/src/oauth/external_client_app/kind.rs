// SPDX-License-Identifier: Apache-2.0
//! The metadata types that make up an external client app, with their folders, suffixes and elements
//! (`salesforce-api.md` 1.10, and the current metadata WSDL for the elements and what they hold).

use serde::{Deserialize, Serialize};

/// A metadata type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Kind {
    ExternalClientApplication,
    ExtlClntAppOauthSettings,
    ExtlClntAppGlobalOauthSettings,
    ExtlClntAppOauthConfigurablePolicies,
    ExtlClntAppConfigurablePolicies,
    ExtlClntAppOauthSecuritySettings,
}

/// What an element holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    Text,
    Boolean,
    Int,
    /// The enumeration's name and its values.
    OneOf(&'static str, &'static [&'static str]),
    /// Further elements, which are kept and have no effect.
    Tree,
}

use Holds::{Boolean, Int, OneOf, Text, Tree};

const DISTRIBUTION: Holds = OneOf("ExtlClntAppDistState", &["Local", "Packaged", "Managed", "AutoInstalled"]);
const MANAGED: Holds = OneOf("ExtlClntAppManagedType", &["Local", "Global"]);
const START_PAGE: Holds = OneOf("ExtlClntAppStartPage", &["None", "Custom", "OAuth", "SAML"]);
const PERMITTED: Holds = OneOf("PermittedUsersPolicyType", &["AllSelfAuthorized", "AdminApprovedPreAuthorized"]);
const ACTION: Holds = OneOf("PolicyAction", &["Block", "RaiseSessionLevel", "StepUpMFA"]);
const REFRESH: Holds = OneOf("RefreshTokenPolicyType", &["Infinite", "Zero", "SpecificLifetime", "SpecificInactivity"]);
const LEVEL: Holds = OneOf("SessionSecurityLevel", &["LOW", "STANDARD", "HIGH_ASSURANCE"]);

const APPLICATION: &[(&str, Holds)] = &[
    ("contactEmail", Text),
    ("contactPhone", Text),
    ("description", Text),
    ("distributionState", DISTRIBUTION),
    ("iconUrl", Text),
    ("infoUrl", Text),
    ("isProtected", Boolean),
    ("label", Text),
    ("logoUrl", Text),
    ("managedType", MANAGED),
    ("orgScopedExternalApp", Text),
];

const OAUTH: &[(&str, Holds)] = &[
    ("areAttributesIncludedInAssetToken", Boolean),
    ("areCustomPermsIncludedInAssetToken", Boolean),
    ("assetTokenAudiences", Text),
    ("assetTokenSigningCertificate", Text),
    ("assetTokenValidity", Int),
    ("clientAssertionCertificate", Text),
    ("commaSeparatedCustomScopes", Text),
    ("commaSeparatedOauthScopes", Text),
    ("customAttributes", Tree),
    ("externalClientApplication", Text),
    ("isFirstPartyAppEnabled", Boolean),
    ("label", Text),
    ("oauthLink", Text),
    ("singleLogoutUrl", Text),
    ("trustedIpRanges", Tree),
];

const GLOBAL: &[(&str, Holds)] = &[
    ("callbackUrl", Text),
    ("certificate", Text),
    ("consumerKey", Text),
    ("consumerSecret", Text),
    ("externalClientApplication", Text),
    ("idTokenConfig", Tree),
    ("isClientCredentialsFlowEnabled", Boolean),
    ("isCodeCredFlowEnabled", Boolean),
    ("isCodeCredPostOnly", Boolean),
    ("isConsumerSecretOptional", Boolean),
    ("isDPopEnabled", Boolean),
    ("isDeviceFlowEnabled", Boolean),
    ("isEnforceRefreshTokenTTL", Boolean),
    ("isIntrospectAllTokens", Boolean),
    ("isMtlsEnabled", Boolean),
    ("isNamedUserJwtEnabled", Boolean),
    ("isPkceRequired", Boolean),
    ("isRefreshTokenRotationEnabled", Boolean),
    ("isSecretRequiredForRefreshToken", Boolean),
    ("isSecretRequiredForTokenExchange", Boolean),
    ("isTokenExchangeEnabled", Boolean),
    ("label", Text),
    ("shouldRotateConsumerKey", Boolean),
    ("shouldRotateConsumerSecret", Boolean),
];

const OAUTH_POLICIES: &[(&str, Holds)] = &[
    ("apexHandler", Text),
    ("clientCredentialsFlowUser", Text),
    ("commaSeparatedCustomScopes", Text),
    ("commaSeparatedPermissionSet", Text),
    ("commaSeparatedProfile", Text),
    ("customAttributes", Tree),
    ("executeHandlerAs", Text),
    ("externalClientApplication", Text),
    ("guestJwtSessionTimeoutType", Text),
    ("guestJwtTimeout", Int),
    ("ipRelaxationPolicyType", Text),
    ("isClientCredentialsFlowEnabled", Boolean),
    ("isGuestCodeCredFlowEnabled", Boolean),
    ("isNamedUserJwtEnabled", Boolean),
    ("isTokenExchangeFlowEnabled", Boolean),
    ("label", Text),
    ("namedUserJwtSessionTimeoutType", Text),
    ("namedUserJwtTimeout", Int),
    ("permittedUsersPolicyType", PERMITTED),
    ("policyAction", ACTION),
    ("refreshTokenPolicyType", REFRESH),
    ("refreshTokenValidityPeriod", Int),
    ("refreshTokenValidityUnit", Text),
    ("requiredSessionLevel", LEVEL),
    ("sessionTimeoutInMinutes", Int),
    ("singleLogoutUrl", Text),
    ("startUrl", Text),
];

const POLICIES: &[(&str, Holds)] = &[
    ("externalClientApplication", Text),
    ("isAttestPluginEnabled", Boolean),
    ("isCanvasPluginEnabled", Boolean),
    ("isEnabled", Boolean),
    ("isMobilePluginEnabled", Boolean),
    ("isNotificationPluginEnabled", Boolean),
    ("isOauthPluginEnabled", Boolean),
    ("isPushPluginEnabled", Boolean),
    ("isSamlPluginEnabled", Boolean),
    ("label", Text),
    ("startPage", START_PAGE),
    ("startUrl", Text),
];

const SECURITY: &[(&str, Holds)] = &[
    ("externalClientApplication", Text),
    ("label", Text),
    ("tlsClientAuthCertParamType", Text),
    ("tlsClientAuthCertParamValue", Text),
    ("tokenIpRanges", Tree),
];

impl Kind {
    /// Every type; the application first, because the others name it.
    pub const ALL: [Kind; 6] = [
        Kind::ExternalClientApplication,
        Kind::ExtlClntAppOauthSettings,
        Kind::ExtlClntAppGlobalOauthSettings,
        Kind::ExtlClntAppOauthConfigurablePolicies,
        Kind::ExtlClntAppConfigurablePolicies,
        Kind::ExtlClntAppOauthSecuritySettings,
    ];

    /// The type's name in manifests and answers.
    pub fn name(self) -> &'static str {
        match self {
            Kind::ExternalClientApplication => "ExternalClientApplication",
            Kind::ExtlClntAppOauthSettings => "ExtlClntAppOauthSettings",
            Kind::ExtlClntAppGlobalOauthSettings => "ExtlClntAppGlobalOauthSettings",
            Kind::ExtlClntAppOauthConfigurablePolicies => "ExtlClntAppOauthConfigurablePolicies",
            Kind::ExtlClntAppConfigurablePolicies => "ExtlClntAppConfigurablePolicies",
            Kind::ExtlClntAppOauthSecuritySettings => "ExtlClntAppOauthSecuritySettings",
        }
    }

    /// Folder in a package, and suffix of its files.
    pub fn place(self) -> (&'static str, &'static str) {
        match self {
            Kind::ExternalClientApplication => ("externalClientApps", "eca"),
            Kind::ExtlClntAppOauthSettings => ("extlClntAppOauthSettings", "ecaOauth"),
            Kind::ExtlClntAppGlobalOauthSettings => ("extlClntAppGlobalOauthSets", "ecaGlblOauth"),
            Kind::ExtlClntAppOauthConfigurablePolicies => ("extlClntAppOauthPolicies", "ecaOauthPlcy"),
            Kind::ExtlClntAppConfigurablePolicies => ("extlClntAppPolicies", "ecaPlcy"),
            Kind::ExtlClntAppOauthSecuritySettings => ("extlClntAppOauthSecuritySettings", "ecaOauthSecurity"),
        }
    }

    /// Key prefix of its Ids. Of these only `0xI` is known from recordings; the others are the emulator's own.
    pub fn key_prefix(self) -> &'static str {
        match self {
            Kind::ExternalClientApplication => "0xI",
            Kind::ExtlClntAppOauthSettings => "0xO",
            Kind::ExtlClntAppGlobalOauthSettings => "0xG",
            Kind::ExtlClntAppOauthConfigurablePolicies => "0xP",
            Kind::ExtlClntAppConfigurablePolicies => "0xC",
            Kind::ExtlClntAppOauthSecuritySettings => "0xS",
        }
    }

    /// The elements that a file of this type may have, in the order of the WSDL.
    pub fn elements(self) -> &'static [(&'static str, Holds)] {
        match self {
            Kind::ExternalClientApplication => APPLICATION,
            Kind::ExtlClntAppOauthSettings => OAUTH,
            Kind::ExtlClntAppGlobalOauthSettings => GLOBAL,
            Kind::ExtlClntAppOauthConfigurablePolicies => OAUTH_POLICIES,
            Kind::ExtlClntAppConfigurablePolicies => POLICIES,
            Kind::ExtlClntAppOauthSecuritySettings => SECURITY,
        }
    }

    /// The type of that name.
    pub fn named(name: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Type and full name of a file, from its path below a package's root or anywhere above: the folder and the suffix
    /// must be the type's, in metadata form (`A.eca`) or source form (`A.eca-meta.xml`).
    pub fn of_path(path: &str) -> Option<(Kind, String)> {
        let (folders, file) = path.rsplit_once('/')?;
        let folder = folders.rsplit('/').next()?;
        let kind = Kind::ALL.into_iter().find(|kind| kind.place().0 == folder)?;
        let stem = file.strip_suffix("-meta.xml").unwrap_or(file);
        let name = stem.strip_suffix(kind.place().1)?.strip_suffix('.')?;
        (!name.is_empty()).then(|| (kind, name.to_owned()))
    }

    /// Path of a component's file in a retrieved package, below its root.
    pub fn path_of(self, full_name: &str) -> String {
        let (folder, suffix) = self.place();
        format!("{folder}/{full_name}.{suffix}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_says_what_it_is() {
        let known = Kind::of_path("unpackaged/extlClntAppGlobalOauthSets/A_glbl.ecaGlblOauth");
        assert_eq!(known, Some((Kind::ExtlClntAppGlobalOauthSettings, "A_glbl".into())));
        let source = Kind::of_path("force-app/main/default/externalClientApps/A.eca-meta.xml");
        assert_eq!(source, Some((Kind::ExternalClientApplication, "A".into())));
        assert_eq!(Kind::of_path("externalClientApps/A.ecaOauth"), None);
        assert_eq!(Kind::of_path("classes/A.cls"), None);
        for kind in Kind::ALL {
            assert_eq!(Kind::of_path(&kind.path_of("X")), Some((kind, "X".into())));
            assert_eq!(Kind::named(kind.name()), Some(kind));
        }
    }
}
